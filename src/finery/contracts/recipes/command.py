"""The recipe `command`: runs any program, supervised like a training."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from finery.contracts.inputs import FolderInput
from finery.contracts.recipes.base import PathText, RecipeConfig
from finery.contracts.recipes.environment_variables import check_variable, steers_programs
from finery.contracts.recipes.recipe import Recipe


class CommandConfig(RecipeConfig):
    secrets: Annotated[list[Annotated[str, AfterValidator(check_variable)]], Field(max_length=20)] = []
    """As in every recipe, but under any name, since the program is the user's own."""
    argv: Annotated[list[Annotated[str, Field(max_length=32_768)]], Field(min_length=1, max_length=1000)]
    """The program and its arguments; no shell ever sees them."""
    working_directory: Annotated[PathText, FolderInput(may_hold_output=True)] | None = None
    """Default: the home."""
    environment: Annotated[dict[str, str], Field(max_length=200)] = {}
    """Environment variables of the program, beside those that the server hands on."""
    restartable: bool = False
    """Whether it may be started again if its process was killed, or nobody saw how it ended."""

    @field_validator("argv")
    @classmethod
    def _program_is_named(cls, argv: list[str]) -> list[str]:
        if not argv[0].strip():
            raise ValueError("the first item must name a program")
        if any("\0" in part for part in argv):
            raise ValueError("an argument must not hold a NUL character")
        return argv

    @field_validator("environment")
    @classmethod
    def _environment_is_harmless(cls, environment: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        for name in environment:
            if name in info.data.get("secrets", []):
                raise ValueError(f"the variable {name} is one of the run's secrets; leave it out here or there")
            if steers_programs(name):
                raise ValueError(f"the variable {name} is set by the server; leave it out")
            if not name or "=" in name or "\0" in name + environment[name]:
                raise ValueError(f"{name[:40]!r} is no name of an environment variable")
        return environment


COMMAND = Recipe(
    name="command",
    title="any program, minded like a training (administrators only)",
    config=CommandConfig,
    trainer="finery.trainers.command:train",
    generates=False,
    resumable=False,
    runs_programs=True,
    wants_gpu=False,
    warm_start=False,
    process_per_gpu=False,
)
