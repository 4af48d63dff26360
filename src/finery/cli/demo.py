"""`finery demo`: trains a tiny model on the CPU, then asks it what it learned."""

import os
from pathlib import Path
from typing import Annotated

import typer

from finery.cli.output import JsonOption
from finery.cli.session import fail


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running afterwards, to explore.")] = False,
    home: Annotated[
        Path | None, typer.Option("--home", help="Where its own server works. Default: a temporary directory.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", help="Use the server at this address. Default: FINERY_URL, else one of its own."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Train a tiny model on the CPU (SFT, then DPO), and ask it two questions.

    Without --server or FINERY_URL, and with --home or --keep, a server is started for it.
    Takes a few minutes on two cores. The exit code is 1 when the answers are not what the data taught.
    """
    wants_own = home is not None or keep
    if server is not None and wants_own:
        fail("--server: --home and --keep are for a server that the demo starts; leave them out")
    from finery.cli.demo_steps import demonstrate

    url = None if wants_own else server or os.environ.get("FINERY_URL")
    raise typer.Exit(demonstrate(home=home, url=url, keep=keep, as_json=as_json))
