"""Finds a run's recipe and its trainer function, whose libraries are imported only then."""

import importlib
import pkgutil
from collections.abc import Callable
from typing import cast

from finery.contracts.process import Outcome
from finery.contracts.recipes import RECIPES, Recipe
from finery.contracts.resolved_run import RunSpec
from finery.trainers.attempt import Attempt


def recipe_of(spec: RunSpec) -> Recipe:
    if spec.recipe not in RECIPES:
        # A recipe from outside Finery is registered by the module of its trainer.
        importlib.import_module(module_of(spec.trainer))
    return RECIPES[spec.recipe]


def trainer_of(spec: RunSpec) -> Callable[[Attempt], Outcome]:
    return cast(Callable[[Attempt], Outcome], pkgutil.resolve_name(spec.trainer))


def module_of(trainer: str) -> str:
    return trainer.partition(":")[0]
