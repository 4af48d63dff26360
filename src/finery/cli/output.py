"""Prints the results of commands on stdout: JSON for programs, tables and lines for people."""

import json
import shutil
import sys
import textwrap
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


LONGEST_WORD = 12
"""Columns. A column of a table is not made narrower than its longest word, unless that has more."""
COLUMN_GAP = 2


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

    Columns without any value are left out there, and where the terminal is too narrow each row becomes a block of
    lines. Into a pipe, and with `wide`, all columns are there and nothing is wrapped.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    on_terminal = sys.stdout.isatty()
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        print(empty)
        return
    by_name = dict(zip(columns, zip(*cells, strict=True), strict=True))
    if wide or not on_terminal:
        keys = columns
    else:
        by_name = {name: column for name, column in by_name.items() if any(column)}
    least = {name: _least_width(name, column, whole=name in keys) for name, column in by_name.items()}
    width = shutil.get_terminal_size().columns
    needed = sum(least.values()) + COLUMN_GAP * (len(least) - 1)
    if needed > width and on_terminal and not wide:
        _print_blocks(by_name, len(cells))
        return
    box, padding = (SIMPLE_HEAD, (0, 1, 0, 0)) if on_terminal else (None, (0, 1, 0, 1))
    table = Table(box=box, pad_edge=False, show_edge=False, padding=padding)
    for name in by_name:
        table.add_column(name, no_wrap=name in keys, min_width=least[name], overflow="fold")
    for row in zip(*by_name.values(), strict=True):
        table.add_row(*row)
    # Rich takes a terminal without abilities for 80 columns wide, whatever its width is.
    console().print(table, soft_wrap=False, crop=False, width=max(width, needed))


def _least_width(name: str, column: Sequence[str], *, whole: bool) -> int:
    """Returns the columns of the terminal that a column takes at least: all that it holds, or its longest word."""
    from rich.cells import cell_len

    if whole:
        return max(map(cell_len, (name, *column)))
    words = [word for text in column for word in text.split()]
    return max(cell_len(name), min(LONGEST_WORD, max(map(cell_len, words), default=0)))


def _print_blocks(by_name: Mapping[str, Sequence[str]], count: int) -> None:
    for index in range(count):
        if index:
            print()
        print_facts({name.lower(): column[index] for name, column in by_name.items()})


def print_facts(facts: Mapping[str, str | None]) -> None:
    """Prints aligned `name  value` lines, and leaves out what has no value."""
    shown = {name: value for name, value in facts.items() if value}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        print(hanging(f"{name:<{width}}  ", value))


def hanging(head: str, text: str) -> str:
    """Returns `text` behind `head`; on a terminal wrapped at words, its further lines below its first."""
    shown = printable(text)
    if not sys.stdout.isatty():
        return f"{head}{shown}"
    return textwrap.fill(
        shown,
        shutil.get_terminal_size().columns,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def can_print(text: str) -> bool:
    """Returns whether the encoding of stdout has all characters of `text`."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


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
    """Returns the largest unit of the time that has passed: `3 min ago`."""
    number, unit, *_ = duration(utc_now() - moment).split()
    return f"{number} {unit} ago"


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
