"""`finery attention`: what a person should see now, with its remedy."""

from typing import Annotated

import typer

from finery.cli.completion import complete_runs
from finery.cli.ids import run_id_of
from finery.cli.output import JsonOption, age, print_json, printable
from finery.cli.session import server


def list_attention(
    run: Annotated[
        str | None, typer.Argument(help="A run's id, or its beginning. Default: all.", autocompletion=complete_runs)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what needs attention now: of your runs, and for those who see everyone's also of the machine."""
    with server() as client:
        found = client.attention(None if run is None else run_id_of(client, run))
    if as_json:
        print_json({"attention": found})
        return
    if not found:
        print("Nothing needs attention.")
    for each in found:
        subject = "this machine" if each.run is None else f"run {each.run.name or each.run.id}"
        print(f"{each.severity:<7}  {printable(subject)}: {printable(each.message)} ({each.code}, {age(each.since)})")
        print(f"{'':<7}  -> {each.remedy}")
