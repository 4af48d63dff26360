"""Completes ids, recipes, settings and models for the shell. Where no server answers, it has nothing to offer."""

import io
import json
import re
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from finery.client import FineryClient
    from finery.contracts.recipe_reference import Setting

Offer = tuple[str, str]
"""A word, and what some shells show beside it."""
MOST_RUNS = 50
Answer = TypeVar("Answer")


def complete_runs(incomplete: str) -> list[Offer]:
    """Offers the newest runs whose id begins so."""
    return _asked(
        lambda client: [
            (run.id, f"{run.recipe} {run.status} {run.name or ''}".strip())
            for run in client.list_runs(id_prefix=incomplete or None, limit=MOST_RUNS).runs
            if run.id.startswith(incomplete)
        ]
    )


def complete_sweeps(incomplete: str) -> list[Offer]:
    """Offers the newest sweeps whose id begins so."""
    return _asked(
        lambda client: [
            (sweep.id, f"{sweep.recipe} {', '.join(sweep.grid)}")
            for sweep in client.sweeps.list_page(limit=MOST_RUNS).sweeps
            if sweep.id.startswith(incomplete)
        ]
    )


def complete_models(incomplete: str) -> list[Offer]:
    """Offers the names of models, and the runs that made one."""
    models = _asked(lambda client: client.list_models())
    named = {name: model.kind for model in models for name in (model.run_id, model.name) if name}
    return sorted(offer for offer in named.items() if offer[0].startswith(incomplete))


def complete_recipes(incomplete: str) -> list[Offer]:
    """Offers the recipes that are installed here."""
    from finery.contracts.recipes.reference import summaries

    return [(recipe.name, recipe.title) for recipe in summaries() if recipe.name.startswith(incomplete)]


def complete_settings(ctx: typer.Context, incomplete: str) -> list[Offer]:
    """Offers `name=` with the values that are known of it, for the recipe that was typed before."""
    from finery.contracts.recipes import RECIPES
    from finery.contracts.recipes.reference import reference_of

    recipe = RECIPES.get(ctx.params.get("recipe") or "")
    settings = reference_of(recipe).settings if recipe else []
    typed: list[str] = ctx.params.get("settings") or []
    *_, name, equals = ["", "", *typed, *(["="] if incomplete == "=" else [])]
    if equals == "=":
        # Bash makes a word of its own of the sign, and another one of the value.
        value = incomplete.removeprefix("=")
        values = next((_values(each) for each in settings if each.name == name), [])
        return [(each, "") for each in values if each.startswith(value)]
    return [offer for each in settings for offer in _offers(each) if offer[0].startswith(incomplete)]


def _offers(setting: "Setting") -> Iterable[Offer]:
    # Two words with the same beginning, so that the shell sets no blank behind the sign.
    for value in ("", *_values(setting)):
        yield f"{setting.name}={value}", setting.description.partition("\n")[0]


def _values(setting: "Setting") -> list[str]:
    """Returns the words that the setting takes, and its default."""
    default = [] if setting.default is None else [json.dumps(setting.default).strip('"')]
    truths = ["true", "false"] if "boolean" in setting.type else []
    return list(dict.fromkeys([*default, *truths, *re.findall(r'"([^"]*)"', setting.type)]))


def _asked(ask: "Callable[[FineryClient], list[Answer]]") -> list[Answer]:
    from finery.client import ClientError, FineryClient

    # What is written while the shell completes would stand in the middle of the user's line.
    with redirect_stderr(io.StringIO()):
        try:
            with FineryClient() as client:
                return ask(client)
        except ClientError:
            return []
