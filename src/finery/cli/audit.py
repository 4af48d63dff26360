"""`finery audit`: lists and exports the audit log, which tells who did what."""

import os
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finery.cli.output import JsonOption, WideOption, local_time, print_json, print_json_line, print_table
from finery.cli.session import fail, server
from finery.cli.users import user_id_of

if TYPE_CHECKING:
    from finery.client import FineryClient
    from finery.contracts.accounts import AuditEntry, AuditFilter

app = typer.Typer(help="Who did what.", no_args_is_help=True)

UserOption = Annotated[str | None, typer.Option("--user", help="Only what they did: id, user name or email.")]
ActionOption = Annotated[str | None, typer.Option("--action", help="Only this action, as in create_run.")]
TargetOption = Annotated[str | None, typer.Option("--target", help="Only what was done to this.")]
ResultOption = Annotated[str | None, typer.Option("--result", help="ok, denied or failed.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="From this moment on: 2026-11-21, or 2026-11-21T08:30 (local time).")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Before this moment.")]


@app.command("list")
def list_entries(
    user: UserOption = None,
    action: ActionOption = None,
    target: TargetOption = None,
    result: ResultOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", help="next_cursor of the page before.")] = None,
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> None:
    """List what was done, newest first."""
    with server() as client:
        criteria = _filter(client, user, action, target, result, since, until)
        page = client.audit.page(criteria, limit=limit, cursor=cursor)
    if as_json:
        print_json(page)
        return
    columns = ("AT", "USER", "ACTION", "TARGET", "RESULT", "ADDRESS", "WHAT")
    print_table(columns, map(_row, page.entries), empty="Nothing was done.", wide=wide)
    if page.next_cursor:
        print(f"More: finery audit list --cursor {page.next_cursor}", file=sys.stderr)


@app.command()
def export(
    user: UserOption = None,
    action: ActionOption = None,
    target: TargetOption = None,
    result: ResultOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write to this file, which only you can read.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print all that was done as JSON, oldest first, an entry a line; or write it to a file, and tell how many."""
    with server() as client:
        entries = client.audit.export(_filter(client, user, action, target, result, since, until))
        if output is None:
            for entry in entries:
                print_json_line(entry)
            return
        count = _write(output, entries)
    print_json({"file": str(output), "entries": count}) if as_json else print(f"{count} entries are in {output}")


def _filter(
    client: "FineryClient",
    user: str | None,
    action: str | None,
    target: str | None,
    result: str | None,
    since: str | None,
    until: str | None,
) -> "AuditFilter":
    from finery.contracts.accounts import AuditFilter, AuditResult

    if result is not None and result not in [*AuditResult]:
        fail(f"--result: {result!r} is none: give one of {', '.join(AuditResult)}")
    return AuditFilter(
        user_id=user_id_of(client, user) if user else None,
        action=action,
        target=target,
        result=AuditResult(result) if result else None,
        since=_moment("--since", since),
        until=_moment("--until", until),
    )


def _write(target: Path, entries: "Iterator[AuditEntry]") -> int:
    """Writes the entries to `target`, which appears only when it is whole, and returns how many they are."""
    partial = target.with_name(f".{target.name}.partial")
    count = 0
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            for entry in entries:
                file.write(f"{entry.model_dump_json()}\n")
                count += 1
        partial.replace(target)
    except OSError as error:
        fail(f"--output: {target} cannot be written: {error.strerror}")
    finally:
        partial.unlink(missing_ok=True)
    return count


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        # Without a zone it is this machine's time.
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        fail(f"{option}: {text!r} is no moment: write it as 2026-11-21 or 2026-11-21T08:30")


def _row(entry: "AuditEntry") -> tuple[str, ...]:
    moment = local_time(entry.at) or ""
    target = entry.details.get("target_name") or entry.target or ""
    return (moment, entry.user_name, entry.action, target, entry.result, entry.address or "", _what(entry))


def _what(entry: "AuditEntry") -> str:
    """Returns what was changed, which name a failed login tried, or why it was refused."""
    match entry.details:
        case {"changes": [*changes]}:
            return "; ".join(map(str, changes))
        case {"login": str(name)}:
            return f"tried the name {name}"
        case {"code": str(code)}:
            return code
    return ""
