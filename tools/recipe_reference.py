"""Writes docs/recipes.md from the recipes' configurations: `python tools/recipe_reference.py` (or `make reference`)."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from finery.contracts.recipe_reference import RecipeReference, Setting
from finery.contracts.recipes import RECIPES
from finery.contracts.recipes.reference import reference_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "recipes.md"
HEAD = """# Recipes and their settings

This page is made from the recipes' configurations by `make reference`; do not edit it. `finery recipes show sft` tells
the same in a terminal, and `GET /api/v1/recipes/sft` to programs, with the JSON schema.

A setting is a key of `config` in a request, a line of a configuration file, or a word `key=value` of `finery train`. A
key that a recipe does not have is refused with the nearest one that it has. *Required* settings have no default; —
means that nothing holds where the setting is left out. Where the type names `"auto"`, the server chooses the value:
[What `auto` chooses](automatic.md).
"""
COMMON = """
## Settings of every training

Every recipe but `command` has these. Where one of them has another default or meaning, its table says so again.

"""
TABLE = "| setting | type | default | bounds | meaning |\n|---|---|---|---|---|\n"


def page() -> str:
    references = [reference_of(recipe) for recipe in RECIPES.values()]
    listing = "".join(f"- [`{each.name}`](#{each.name}): {each.title}\n" for each in references)
    common = (setting for setting in references[0].settings if setting.is_common)
    return "".join((HEAD, "\n", listing, *map(_section, references), COMMON, TABLE, *_rows(common)))


def _section(reference: RecipeReference) -> str:
    own = [setting for setting in reference.settings if not setting.is_common]
    title = reference.title[0].upper() + reference.title[1:]
    table = TABLE + "".join(_rows(own)) if own else "It has the settings of every training, and no others.\n"
    return f"\n## {reference.name}\n\n{title}.\n\n{table}"


def _rows(settings: Iterable[Setting]) -> Iterator[str]:
    for setting in settings:
        cells = (f"`{setting.name}`", setting.type, _default(setting), setting.bounds, setting.description)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _default(setting: Setting) -> str:
    if setting.required:
        return "*required*"
    return "—" if setting.default is None else f"`{json.dumps(setting.default)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
