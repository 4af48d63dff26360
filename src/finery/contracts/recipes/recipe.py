"""The descriptor of a recipe, from which every table about recipes is derived, and the registry."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes.base import RecipeConfig
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules


@dataclass(frozen=True, kw_only=True)
class Recipe:
    name: str
    title: str
    """A short description."""
    config: type[RecipeConfig]
    trainer: str
    """`module:function`, imported in the run's process; the function takes the attempt and returns its outcome."""

    examples: ExampleKind | None = None
    """The kind of example that it makes of a row. None: it has no training data."""
    tokens: TokenRules | None = None
    """How its trainer tokenizes its rows. None: its data is not measured in tokens."""
    full_batches: bool = False
    """Whether its trainer drops a last batch that is not full."""

    footprint: Callable[[Any], Footprint] = lambda config: Footprint()
    """Returns what a training with this configuration has in memory."""
    learning_rate_factor: float = 1.0
    """Factor by which `auto` scales the learning rate of supervised training."""

    generates: bool = True
    """Whether its result is a model that generates text, so that it can be served and parity-checked."""
    resumable: bool = True
    """Whether a run resumes from a checkpoint; only then can it be paused."""
    runs_programs: bool = False
    """Whether its configuration names programs to run, which takes the permission `commands:run`."""
    wants_gpu: bool = True
    """Whether it gets a GPU by default if the machine has one."""
    warm_start: bool = True
    """Whether it starts in a forked process that has already imported the training stack."""
    process_per_gpu: bool = True
    """Whether torchrun starts it if it has several GPUs."""

    def may_start_again(self, config: Mapping[str, Any]) -> bool:
        """Returns whether a run that has begun may be started again. One that cannot resume would do all of its work
        again, deploy or pay twice, so its configuration has to permit it."""
        return self.resumable or config.get("restartable") is True


NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
RECIPES: dict[str, Recipe] = {}
"""Name → recipe, in the order in which they are listed."""


def recipe_of_run(name: str) -> Recipe:
    """Returns the recipe of a stored run. A recipe that is not registered any more becomes one that cannot resume."""
    return RECIPES.get(name) or Recipe(name=name, title=name, config=RecipeConfig, trainer="", resumable=False)


def register(recipe: Recipe) -> None:
    """Adds a recipe to RECIPES. Raises ValueError for a name that is taken or cannot be one, or a nameless trainer."""
    if NAME.fullmatch(recipe.name) is None:
        raise ValueError(f"{recipe.name!r} is no name of a recipe: lower-case letters, digits, - and _, at most 32")
    if not all(recipe.trainer.partition(":")[::2]):
        raise ValueError(f"the trainer of {recipe.name!r} is {recipe.trainer!r}, and not module:function")
    if recipe.name in RECIPES:
        raise ValueError(f"there is a recipe {recipe.name!r} already")
    RECIPES[recipe.name] = recipe
