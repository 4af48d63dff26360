"""Asks for passwords and secrets: on the terminal without an echo, or from stdin; never as arguments."""

import sys
from typing import Annotated, NoReturn

import typer

from finery.cli.session import fail

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin, a line, instead of asking for it.")
]


def ask_password(label: str = "Password", *, from_stdin: bool) -> str:
    if from_stdin:
        return _decoded(sys.stdin.buffer.readline(), label)
    _require_terminal(f"{label.lower()}: there is no terminal to ask on; give it on stdin, with --password-stdin")
    return _ask_hidden(label) or _fail_empty(label)


def ask_new_password(label: str = "New password", *, from_stdin: bool) -> str:
    """Asks twice on a terminal, since nobody sees what is typed."""
    password = ask_password(label, from_stdin=from_stdin)
    if not from_stdin and _ask_hidden(f"{label} again") != password:
        fail("the two passwords differ; nothing was done")
    return password


def ask_secret(name: str) -> str:
    """Returns one line of the terminal, or all of stdin but one last line end."""
    if sys.stdin.isatty():
        return _ask_hidden(f"Value of {name}") or _fail_empty("value")
    return _decoded(sys.stdin.buffer.read(), "value")


def ask_login(given: str | None) -> str:
    if given is not None:
        return given
    _require_terminal("--username: there is no terminal to ask on; name the user")
    # On stderr, since stdout may be read by a program.
    return str(typer.prompt("User name or email", err=True)).strip()


def _ask_hidden(label: str) -> str:
    import getpass

    return getpass.getpass(f"{label}: ")


def _require_terminal(message: str) -> None:
    if not sys.stdin.isatty():
        fail(message)


def _decoded(data: bytes, label: str) -> str:
    try:
        return data.decode().removesuffix("\n").removesuffix("\r") or _fail_empty(label)
    except UnicodeDecodeError:
        fail("stdin: what it holds is not UTF-8")


def _fail_empty(label: str) -> NoReturn:
    fail(f"{label.lower()}: nothing was given")
