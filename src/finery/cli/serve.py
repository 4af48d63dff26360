"""`finery server`: this process becomes the server."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from finery.cli.output import JsonOption


def serve(
    host: Annotated[str | None, typer.Option("--host", help="The address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="The port to listen on. Default: 8001.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option("--home", help="The directory that holds everything. Default: the working directory.")
    ] = None,
    remote_setup: Annotated[
        bool,
        typer.Option("--remote-setup", help="Let the first administrator be made over the network, with a token."),
    ] = False,
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over", help="Carry on with the runs of the home that this one replaces; nothing may run there."
        ),
    ] = False,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when the code changes (development).")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the server, and serve until Ctrl-C. Runs that are under way go on without it.

    It ends with exit code 2 for a setting that cannot be honoured, 3 when the port is taken, 4 when the home or the
    database cannot be used. An address that other machines reach needs an administrator, or --remote-setup.

    With --json the address, home and process id are printed on stdout as one line; the log goes to stderr.
    """
    command = server_command(host=host, port=port, home=home)
    wanted = {"--remote-setup": remote_setup, "--take-over": take_over, "--reload": reload, "--json": as_json}
    command += [option for option, is_wanted in wanted.items() if is_wanted]
    os.execv(command[0], command)


def server_command(*, host: str | None = None, port: int | None = None, home: Path | None = None) -> list[str]:
    """What is not given is left to the settings."""
    options = {"--host": host, "--port": port, "--home": home}
    words = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return [sys.executable, "-m", "finery.app", *words]
