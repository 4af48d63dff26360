"""`finery recipes`: the training methods, and the settings of each; without a server, those that are installed here."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from finery.cli.completion import complete_recipes
from finery.cli.output import JsonOption, WideOption, hanging, print_json, print_table
from finery.cli.session import fail, failing_clearly

if TYPE_CHECKING:
    from finery.client import FineryClient
    from finery.contracts.recipe_reference import RecipeReference, RecipeSummary, Setting

Answer = TypeVar("Answer")

app = typer.Typer(help="The training methods and their settings.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The training methods and their settings."""


@app.command("list")
def list_recipes(wide: WideOption = False, as_json: JsonOption = False) -> None:
    """List the recipes, as `finery train` takes them."""
    recipes = _asked(lambda client: client.list_recipes(), _installed)
    rows = ((recipe.name, recipe.title) for recipe in recipes)
    print_json({"recipes": recipes}) if as_json else print_table(
        ("NAME", "TITLE"), rows, empty="No recipes.", keys=("NAME",), wide=wide
    )


@app.command("show")
def show_recipe(
    name: Annotated[
        str, typer.Argument(help="The recipe, as `sft`.", show_default=False, autocompletion=complete_recipes)
    ],
    wide: WideOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the settings of a recipe: type, default, bounds and meaning of each."""
    recipe = _asked(lambda client: client.get_recipe(name), lambda: _installed_one(name))
    if as_json:
        print_json(recipe)
        return
    print(f"{recipe.name}: {recipe.title}\n")
    if wide:
        columns = ("SETTING", "TYPE", "DEFAULT", "BOUNDS", "MEANING")
        print_table(columns, map(_row, recipe.settings), empty="No settings.", wide=True)
        return
    for name, *facts, meaning in map(_row, recipe.settings):
        print(hanging(f"{name}  ", "; ".join(filter(None, facts))))
        print(hanging("    ", meaning))


def _row(setting: "Setting") -> tuple[str, ...]:
    default = "required" if setting.required else f"default {json.dumps(setting.default)}"
    if setting.default is None and not setting.required:
        default = ""
    return (setting.name, setting.type, default, setting.bounds, setting.description)


def _asked(ask: "Callable[[FineryClient], Answer]", installed: Callable[[], Answer]) -> Answer:
    """Returns the server's answer, since it may have other recipes than this machine; or, where none answers, ours."""
    from finery.client import FineryClient, ServerUnreachable

    with failing_clearly():
        try:
            with FineryClient() as client:
                return ask(client)
        except ServerUnreachable:
            print("finery: no server answers; this is what is installed here", file=sys.stderr)
            return installed()


def _installed() -> "list[RecipeSummary]":
    from finery.contracts.recipes.reference import summaries

    return summaries()


def _installed_one(name: str) -> "RecipeReference":
    from finery.contracts.recipes import RECIPES
    from finery.contracts.recipes.reference import reference_of, unknown_recipe

    return reference_of(RECIPES[name]) if name in RECIPES else fail(unknown_recipe(name))
