"""The administrator's settings of vLLM: where it is installed and the command that starts it."""

import shlex
import shutil
import string
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

DEFAULT_COMMAND = "vllm serve {model} --host 127.0.0.1 --port {port} --served-model-name {name}"
PLACEHOLDERS = ("model", "port", "name")


class CommandRefused(ValueError):
    """The configured command cannot start vLLM; the message says why."""


def _checked(template: str) -> str:
    split_command(template)
    return template


class VllmSettings(BaseModel):
    """FINERY_VLLM_COMMAND and FINERY_VLLM_PYTHON."""

    model_config = ConfigDict(frozen=True)

    command: Annotated[str, AfterValidator(_checked)] = DEFAULT_COMMAND
    """The command is split into arguments before its placeholders are filled, so that a value stays one argument."""
    python: Path | None = None
    """The interpreter of vLLM's environment; its programs are looked for beside it first."""

    def executable(self) -> str | None:
        """Returns the program's absolute path; None where there is no such program."""
        program = split_command(self.command)[0]
        if "/" not in program and self.python is not None:
            beside = shutil.which(program, path=str(self.python.parent))
            if beside is not None:
                return beside
        return shutil.which(program)


def split_command(template: str) -> list[str]:
    """Returns the template's arguments, placeholders unfilled. Raises CommandRefused."""
    try:
        parts = shlex.split(template)
        used = {name for part in parts for _, name, _, _ in string.Formatter().parse(part) if name is not None}
    except ValueError as error:
        raise CommandRefused(f"the command cannot be split into arguments: {error}") from error
    if not parts:
        raise CommandRefused("the command is empty")
    if foreign := sorted(used - set(PLACEHOLDERS)):
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise CommandRefused(f"the command has an unknown placeholder {{{foreign[0]}}}; known: {known}")
    if missing := [name for name in PLACEHOLDERS if name not in used]:
        raise CommandRefused(f"the command lacks the placeholder {{{missing[0]}}}")
    return parts


def fill_command(template: str, *, model: str, port: int, name: str) -> list[str]:
    return [part.format(model=model, port=port, name=name) for part in split_command(template)]
