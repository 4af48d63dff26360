"""What a recipe is to the rest of Finery. Each has a file of its own, which holds all that sets it apart."""

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
    """What it does, in a few words."""
    config: type[RecipeConfig]
    trainer: str
    """`module:function`, imported in the process of a run: it takes the attempt, and returns its outcome."""

    examples: ExampleKind | None = None
    """What it makes of a row of data. None: it learns from no rows."""
    tokens: TokenRules | None = None
    """How its trainer makes tokens of its rows. None: its data are not measured."""
    full_batches: bool = False
    """Whether its trainer leaves out a batch that is not full."""

    footprint: Callable[[Any], Footprint] = lambda config: Footprint()
    """What a training with this configuration holds in memory."""
    learning_rate_factor: float = 1.0
    """What `auto` multiplies the learning rate of supervised training by."""

    generates: bool = True
    """Whether its result is a model that gives answers: it can be chatted with, and compared with what it said."""
    resumable: bool = True
    """Whether a paused run goes on where it was; one that would begin anew cannot be paused."""
    runs_programs: bool = False
    """Whether its configuration names programs to run, which takes a permission."""
    wants_gpu: bool = True
    """Whether it gets a GPU, where there is one, when its request says nothing of any."""
    warm_start: bool = True
    """Whether it starts in a process that has imported the training stack."""
    process_per_gpu: bool = True
    """Whether torchrun carries it out where it has several GPUs."""

    def may_start_again(self, config: Mapping[str, Any]) -> bool:
        """Whether a run that has begun may be started once more: one that does not go on where it was does all of its
        work again, deploys or pays twice, unless its configuration says that this does no harm."""
        return self.resumable or config.get("restartable") is True


RECIPES: dict[str, Recipe] = {}
"""By name, in the order in which they are listed."""


def recipe_of_run(name: str) -> Recipe:
    """Of a stored run. One that is not known any more, as in an older version of Finery, cannot go on."""
    return RECIPES.get(name) or Recipe(name=name, title=name, config=RecipeConfig, trainer="", resumable=False)


def register(recipe: Recipe) -> None:
    """Raises ValueError for a name that another recipe has."""
    if recipe.name in RECIPES:
        raise ValueError(f"there is a recipe {recipe.name!r} already")
    RECIPES[recipe.name] = recipe
