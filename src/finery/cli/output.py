"""Prints the results of commands on stdout: JSON for programs, tables and lines for people."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from finery.kit.clock import utc_now

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]


YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


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


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    box = SIMPLE_HEAD if sys.stdout.isatty() else None
    table = Table(*columns, box=box, pad_edge=False, show_edge=False, padding=(0, 1))
    for row in rows:
        table.add_row(*(printable(cell) for cell in row))
    if not table.rows:
        print(empty)
    elif sys.stdout.isatty():
        console().print(table, soft_wrap=False)
    else:
        # In a pipe nothing is cut off to fit a screen.
        wide = console()
        wide.width = 10_000
        wide.print(table, soft_wrap=False)


def print_facts(facts: Mapping[str, str | None]) -> None:
    """Prints aligned `name  value` lines, and leaves out what has no value."""
    shown = {name: value for name, value in facts.items() if value}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        print(f"{name:<{width}}  {printable(value)}")


def printable(text: str) -> str:
    """Returns `text` with a `�` for each control character, which could move a terminal's cursor or colour it."""
    return "".join(letter if letter.isprintable() or letter == "\t" else "�" for letter in text)


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
