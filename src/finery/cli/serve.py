"""`finery server`: this process becomes the server."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from finery.cli.output import JsonOption


def serve(
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port to listen on.")] = 8001,
    home: Annotated[
        Path | None, typer.Option("--home", help="The directory that holds everything. Default: the working directory.")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when the code changes (development).")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the server, and serve until Ctrl-C. Runs that are under way go on without it.

    It ends with exit code 2 for a setting that cannot be honoured, 3 when the port is taken, 4 when the home or the
    database cannot be used.

    With --json the address, home and process id are printed on stdout as one line; the log goes to stderr.
    """
    if as_json:
        place = str((home or Path()).resolve())
        print(json.dumps({"url": f"http://{host}:{port}", "home": place, "pid": os.getpid()}), flush=True)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    command = server_command(host=host, port=port, home=home, reload=reload)
    os.execv(command[0], command)


def server_command(*, host: str, port: int, home: Path | None, reload: bool = False) -> list[str]:
    command = [sys.executable, "-m", "finery.app", "--host", host, "--port", str(port)]
    if home is not None:
        command += ["--home", str(home)]
    return [*command, "--reload"] if reload else command
