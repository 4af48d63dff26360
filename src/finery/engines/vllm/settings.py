"""Where vLLM is and how it is started, as the administrator says."""

import shlex
import shutil
import string
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

DEFAULT_COMMAND = "vllm serve {model} --host 127.0.0.1 --port {port} --served-model-name {name}"
PLACEHOLDERS = ("model", "port", "name")


class CommandRefused(ValueError):
    """The template is no command that could start vLLM."""


def _checked(template: str) -> str:
    split_command(template)
    return template


class VllmSettings(BaseModel):
    """FINERY_VLLM_COMMAND and FINERY_VLLM_PYTHON."""

    model_config = ConfigDict(frozen=True)

    command: Annotated[str, AfterValidator(_checked)] = DEFAULT_COMMAND
    """Split into arguments as a shell would, then filled in: a value is never more than one argument."""
    python: Path | None = None
    """Of the environment that vLLM is installed in; its programs are looked for beside it first."""

    def executable(self) -> str | None:
        """Absolute; None where there is no such program."""
        program = split_command(self.command)[0]
        if "/" not in program and self.python is not None:
            beside = shutil.which(program, path=str(self.python.parent))
            if beside is not None:
                return beside
        return shutil.which(program)


def split_command(template: str) -> list[str]:
    """The template's arguments. Raises CommandRefused."""
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
