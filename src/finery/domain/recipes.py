"""Tells the settings of a recipe."""

from finery.contracts.recipe_reference import RecipeReference
from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.reference import reference_of, unknown_recipe
from finery.domain.errors import DomainError, ErrorKind


class RecipeNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "recipe_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(unknown_recipe(name))


def get_reference(name: str) -> RecipeReference:
    """Raises RecipeNotFound."""
    if name not in RECIPES:
        raise RecipeNotFound(name)
    return reference_of(RECIPES[name])
