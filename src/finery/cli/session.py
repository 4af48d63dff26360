"""One command's talk with the server, and how a command ends when that goes wrong."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from finery.cli.exits import ExitCode

if TYPE_CHECKING:
    from finery.client import FineryClient, FineryError


@contextmanager
def server() -> "Iterator[FineryClient]":
    """The server that FINERY_URL names. Its refusals end the command with one line and an exit code."""
    from finery.client import FineryClient

    with failing_clearly(), FineryClient() as client:
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
    """End the command; `message` says in one line what is wrong and what to do."""
    print(f"finery: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _describe(error: "FineryError") -> str:
    if error.status == 401:
        return f"{error}: set FINERY_API_KEY to a key of this server"
    return str(error)
