"""Prints the results of commands on stdout: JSON for programs, tables and lines for people."""

import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from finery.kit.clock import utc_now

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]


WideOption = Annotated[bool, typer.Option("--wide", help="Cut and wrap nothing, however wide the lines become.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


LEAST_WIDTH = 8
"""Of a column that is wrapped."""
COLUMN_GAP = 3


def confirm(question: str, *, yes: bool, as_json: bool) -> None:
    """Asks on a terminal before something that cannot be undone; the answer no ends the command."""
    if not yes and not as_json and sys.stdin.isatty():
        typer.confirm(question, abort=True)


def print_json(value: "BaseModel | Mapping[str, object]") -> None:
    """Prints one JSON object, indented."""
    print(json.dumps(value, default=_dump, ensure_ascii=False, indent=2))


def print_json_line(value: "BaseModel | Mapping[str, object]") -> None:
    """Prints one JSON object on one line, and flushes: for streams."""
    print(json.dumps(value, default=_dump, ensure_ascii=False), flush=True)


def console() -> "Console":
    from rich.console import Console

    # Text from users is never read as markup, and colour only tells what a word tells too.
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)


def spinner(text: str, *, quiet: bool) -> AbstractContextManager[object]:
    """Shows on a terminal that something goes on, until it is left; nothing of it stays."""
    if quiet or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    empty: str,
    keys: Collection[str] = ("ID",),
    wide: bool = False,
) -> None:
    """Prints a table; on a terminal its cells are wrapped, but for those of the columns `keys`, which are to be copied.

    Into a pipe, and with `wide`, nothing is wrapped.
    """
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.table import Table

    on_terminal = sys.stdout.isatty()
    table = Table(box=SIMPLE_HEAD if on_terminal else None, pad_edge=False, show_edge=False, padding=(0, 1))
    cells = [[printable(cell) for cell in row] for row in rows]
    needed = 0
    for name, *column in zip(columns, *cells, strict=True):
        longest = max(map(cell_len, (name, *column)))
        whole = wide or not on_terminal or name in keys
        least = longest if whole else min(longest, LEAST_WIDTH)
        table.add_column(name, no_wrap=whole, min_width=least, overflow="fold")
        needed += least + COLUMN_GAP
    for cell_row in cells:
        table.add_row(*cell_row)
    if not table.rows:
        print(empty)
        return
    screen = console()
    # A narrow terminal breaks lines that are longer than it; nothing of them is lost.
    screen.width = max(screen.width, needed)
    screen.print(table, soft_wrap=False, crop=False)


def print_facts(facts: Mapping[str, str | None]) -> None:
    """Prints aligned `name  value` lines, and leaves out what has no value."""
    shown = {name: value for name, value in facts.items() if value}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        print(f"{name:<{width}}  {printable(value)}")


def printable(text: str) -> str:
    """Returns `text` with a `�` for each control character, which could move a terminal's cursor or colour it."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "�" for letter in text)


def local_time(at: datetime | None) -> str | None:
    """Returns a moment in this machine's time, which it names: `2026-11-29 20:34:08 +09:00`."""
    if at is None:
        return None
    text = at.astimezone().isoformat(sep=" ", timespec="seconds")
    return f"{text[:19]} {text[19:]}"


def local_day(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d}"


def number(value: float) -> str:
    """Returns four digits that count (`0.1235`, `1.2e-05`), and of larger numbers all before the point: `123,456`."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"


def rounded(value: object) -> object:
    """Returns a JSON value whose numbers have no more than six digits that count."""
    match value:
        case float():
            return float(f"{value:.6g}")
        case dict():
            return {name: rounded(each) for name, each in value.items()}
        case list():
            return [rounded(each) for each in value]
    return value


def age(moment: datetime) -> str:
    """Returns for example `3 min 10 s ago`."""
    return f"{duration(utc_now() - moment)} ago"


def duration(span: timedelta) -> str:
    """Returns the two largest units: `42 s`, `3 min 10 s`, `2 h 5 min`, `4 d 1 h`."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"


def size(count: float) -> str:
    """Returns bytes in decimal units: `999 B`, `1.0 kB`, `2.5 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _dump(model: "BaseModel") -> object:
    return model.model_dump(mode="json")
