"""What must not stand on a command line: asked for on the terminal without an echo, or read from stdin."""

import sys
from typing import Annotated

import typer

from finery.cli.session import fail

PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin, a line, instead of asking for it.")
]


def ask_password(label: str = "Password", *, from_stdin: bool) -> str:
    if from_stdin:
        return _filled(_decoded(sys.stdin.buffer.readline()).removesuffix("\n").removesuffix("\r"), label)
    _need_terminal(f"{label.lower()}: there is no terminal to ask on; give it on stdin, with --password-stdin")
    return _filled(_hidden(label), label)


def ask_new_password(label: str = "New password", *, from_stdin: bool) -> str:
    """On the terminal twice, since nobody sees what is typed."""
    password = ask_password(label, from_stdin=from_stdin)
    if not from_stdin and _hidden(f"{label} again") != password:
        fail("the two passwords differ; nothing was done")
    return password


def ask_secret(name: str) -> str:
    """All of stdin but one last line end; on a terminal one line."""
    if sys.stdin.isatty():
        return _filled(_hidden(f"Value of {name}"), "value")
    return _filled(_decoded(sys.stdin.buffer.read()).removesuffix("\n").removesuffix("\r"), "value")


def ask_login(given: str | None) -> str:
    if given is not None:
        return given
    _need_terminal("--username: there is no terminal to ask on; name the user")
    # On stderr, since stdout may be read by a program.
    return str(typer.prompt("User name or email", err=True)).strip()


def _hidden(label: str) -> str:
    import getpass

    return getpass.getpass(f"{label}: ")


def _need_terminal(message: str) -> None:
    if not sys.stdin.isatty():
        fail(message)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        fail("stdin: what it holds is not UTF-8")


def _filled(text: str, label: str) -> str:
    return text or fail(f"{label.lower()}: nothing was given")
