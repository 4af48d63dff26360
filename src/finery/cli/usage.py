"""Runs the command line, and tells in one line what is wrong with its words."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from finery.cli.exit_codes import ExitCode


def run(app: typer.Typer, words: Sequence[str]) -> int:
    """Returns the exit code."""
    try:
        code = app(words, standalone_mode=False)
    except typer.Abort:
        print("Aborted.", file=sys.stderr)
        return ExitCode.FAILED
    except TyperException as error:
        # A group that is called without a command has printed its help, and has nothing more to say.
        if problem := describe(error):
            print(f"finery: {problem} (see `{_command(app, words)} -h`)", file=sys.stderr)
        return error.exit_code
    return code if isinstance(code, int) else ExitCode.SUCCEEDED


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
