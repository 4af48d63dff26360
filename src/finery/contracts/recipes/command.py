"""The configuration of the `command` recipe: any program, minded like a training."""

from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from finery.contracts.recipes.base import PathText, RecipeConfig

PROTECTED_VARIABLES = frozenset({"PATH", "CUDA_VISIBLE_DEVICES", "HOME", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"})


class CommandConfig(RecipeConfig):
    resumable: ClassVar[bool] = False

    argv: Annotated[list[Annotated[str, Field(max_length=32_768)]], Field(min_length=1, max_length=1000)]
    """The program and its arguments; no shell ever sees them."""
    working_directory: PathText | None = None
    """Default: the home."""
    environment: Annotated[dict[str, str], Field(max_length=200)] = {}

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
    def _environment_is_harmless(cls, environment: dict[str, str]) -> dict[str, str]:
        for name in environment:
            if name in PROTECTED_VARIABLES or name.startswith(("LD_", "FINERY_", "DYLD_")):
                raise ValueError(f"the variable {name} is set by the server; leave it out")
            if not name or "=" in name or "\0" in name + environment[name]:
                raise ValueError(f"{name[:40]!r} is no name of an environment variable")
        return environment
