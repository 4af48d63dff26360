"""Opens the client for a command, and turns its errors into one line on stderr and an exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from finery.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from finery.client import FineryClient, FineryError

LOG_IN = "log in with `finery login`, or set FINERY_API_KEY"
# By error code: what a person reads in place of the server's message.
REMEDIES = {
    "login_needed": f"this server asks who you are: {LOG_IN}",
    "loopback_only": "this server has no accounts yet, and answers on its own machine only: "
    "create the first administrator there, with `finery setup`",
    "setup_needed": "there is no account yet: create the first administrator with `finery setup`",
}


@contextmanager
def server(url: str | None = None, *, api_key: str | None = None) -> "Iterator[FineryClient]":
    """Yields a client of the server at `url` (default: FINERY_URL) with `api_key` (default: as set or stored).

    Its errors end the command with one line and an exit code.
    """
    from finery.client import FineryClient

    with failing_clearly(), FineryClient(url=url, api_key=api_key) as client:
        yield client


@contextmanager
def failing_clearly() -> Iterator[None]:
    from finery.client import BadConnection, FineryError, ServerUnreachable

    try:
        yield
    except BadConnection as error:
        fail(str(error))
    except ServerUnreachable as error:
        fail(str(error), ExitCode.UNREACHABLE)
    except FineryError as error:
        fail(_describe(error), ExitCode.REFUSED if error.is_refusal else ExitCode.FAILED)


def fail(message: str, code: ExitCode = ExitCode.REFUSED) -> NoReturn:
    """Ends the command; `message` says in one line what is wrong and what to do."""
    print(f"finery: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _describe(error: "FineryError") -> str:
    if error.code in REMEDIES:
        return REMEDIES[error.code]
    is_unknown = error.status == 401 and error.code != "login_refused"
    return f"{error}: {LOG_IN}" if is_unknown else str(error)
