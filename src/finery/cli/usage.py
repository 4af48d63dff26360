"""Runs the command line, and tells in one line what is wrong with its words."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption
from typer.exceptions import TyperException

from finery.cli.exit_codes import ExitCode


def run(app: typer.Typer, words: Sequence[str]) -> int:
    """Returns the exit code."""
    command = typer.main.get_command(app)
    _hide_types_of_flags([command])
    try:
        code = command(words, standalone_mode=False)
    except typer.Abort:
        print("Aborted.", file=sys.stderr)
        return ExitCode.FAILED
    except TyperException as error:
        # A group that is called without a command has printed its help, and has nothing more to say.
        if problem := describe(error):
            print(f"finery: {problem} (see `{_command(app, words)} -h`)", file=sys.stderr)
        return error.exit_code
    return code if isinstance(code, int) else ExitCode.SUCCEEDED


def readable(word: str) -> str:
    """Returns a word whose letters the locale does not know as the UTF-8 that it is. Ends the command where it is none.

    Python keeps such letters as halves of surrogate pairs, which nothing can send.
    """
    try:
        return os.fsencode(word).decode("utf-8")
    except UnicodeDecodeError:
        print(f"finery: {word!r} is not UTF-8: use a terminal and a locale of UTF-8, as LANG=C.UTF-8", file=sys.stderr)
        sys.exit(ExitCode.REFUSED)


def _hide_types_of_flags(commands: Iterable[object]) -> None:
    """Has the help show no type behind a flag, which takes no value."""
    for command in commands:
        if isinstance(command, TyperGroup):
            _hide_types_of_flags(command.commands.values())
        if isinstance(command, TyperGroup | TyperCommand):
            for param in command.params:
                if isinstance(param, TyperOption) and param.is_flag:
                    param.metavar = ""


def describe(error: TyperException) -> str:
    """Returns what is wrong in the words of the command line: `--limit: 0 is too small: give 1 or more`."""
    from pydantic import ValidationError

    cause = error.__cause__
    if isinstance(error, typer.BadParameter) and isinstance(cause, ValidationError) and error.param:
        detail = cause.errors()[0]
        name = error.param.get_error_hint().partition(" / ")[0].strip("'")
        return f"{name}: {_reason(detail['type'], detail['input'], detail.get('ctx', {}))}"
    message = " ".join(error.format_message().split()).removesuffix(".")
    return message[:1].lower() + message[1:]


def _reason(kind: str, value: object, bounds: Mapping[str, Any]) -> str:
    match kind:
        case "int_parsing" | "int_from_float" | "int_parsing_size":
            return f"{value!r} is no whole number"
        case "float_parsing":
            return f"{value!r} is no number"
        case "greater_than_equal":
            return f"{value} is too small: give {bounds['ge']:g} or more"
        case "less_than_equal":
            return f"{value} is too large: give {bounds['le']:g} or less"
        case "value_error":
            return str(bounds["error"]).removesuffix(".")
    return f"{value!r} cannot be read as what is asked for"


def _command(app: typer.Typer, words: Sequence[str]) -> str:
    """Returns the command that `words` name, as it is typed: `finery runs list`."""
    command, path = typer.main.get_command(app), ["finery"]
    for word in words:
        if not isinstance(command, TyperGroup) or word not in command.commands:
            break
        command = command.commands[word]
        path.append(word)
    return " ".join(path)
