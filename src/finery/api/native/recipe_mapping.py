"""Tells recipes and their settings in the language of a request."""

from collections.abc import Iterable

from finery.api.native.schemas import RecipeList
from finery.contracts.recipe_reference import RecipeReference, RecipeSummary, Setting
from finery.http.languages import Language


def to_recipe_list(summaries: Iterable[RecipeSummary], language: Language) -> RecipeList:
    return RecipeList(recipes=[each.model_copy(update={"title": language.describe(each.title)}) for each in summaries])


def to_recipe_reference(recipe: RecipeReference, language: Language) -> RecipeReference:
    settings = [_in_language(setting, language) for setting in recipe.settings]
    return recipe.model_copy(update={"title": language.describe(recipe.title), "settings": settings})


def _in_language(setting: Setting, language: Language) -> Setting:
    told = ("description", "auto_rule", "unit")
    return setting.model_copy(update={name: language.describe(dict(setting)[name]) for name in told})
