"""Tells recipes and their settings in the language of a request."""

from collections.abc import Iterable

from finery.api.native.schemas import RecipeList
from finery.contracts.recipe_reference import RecipeReference, RecipeSummary, Setting, SettingGroup
from finery.http.languages import Language


def to_recipe_list(summaries: Iterable[RecipeSummary], language: Language) -> RecipeList:
    return RecipeList(recipes=[each.model_copy(update={"title": language.describe(each.title)}) for each in summaries])


def to_recipe_reference(recipe: RecipeReference, language: Language) -> RecipeReference:
    settings = [_to_setting(setting, language) for setting in recipe.settings]
    groups = [_to_group(group, language) for group in recipe.groups]
    title = language.describe(recipe.title)
    return recipe.model_copy(update={"title": title, "settings": settings, "groups": groups})


def _to_setting(setting: Setting, language: Language) -> Setting:
    texts = {name: language.describe(dict(setting)[name]) for name in ("description", "auto_rule", "unit")}
    return setting.model_copy(update={**texts, "bounds": language.tell(setting.bounds)})


def _to_group(group: SettingGroup, language: Language) -> SettingGroup:
    return group.model_copy(update={"title": language.describe(group.title)})
