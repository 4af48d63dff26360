"""What a run's configuration leaves to the server: `auto`, resolved from its data and its model by the rule of
contracts.recipes.automatic, and what the server's settings switch on.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finery.contracts.builtin_models import BUILTIN_CONTEXT, BUILTIN_PARAMETERS
from finery.contracts.model_folder import context_length, text_config, whole_model
from finery.contracts.model_table import BaseModelEntry
from finery.contracts.recipes import Recipe, TrainingConfig
from finery.contracts.recipes.auto_values import AUTO, choose, freezes_base, is_left_to_rule
from finery.kit.hub_cache import cached_snapshot
from finery.kit.weights import count_parameters, parameters_in_name

ASSUMED_PARAMETERS = 1_000_000_000
"""Of a model on a hub whose name does not say it."""


def without_auto(recipe: Recipe, config: Mapping[str, Any]) -> dict[str, Any]:
    """What can be parsed before the data are known: the recipe's defaults stand for what is to be chosen."""
    parsed = {key: value for key, value in config.items() if not is_left_to_rule(recipe, key, value)}
    if config.get("use_lora") == AUTO and freezes_base(config):
        parsed["use_lora"] = True
    return parsed


def choose_values(
    config: Mapping[str, Any],
    *,
    recipe: Recipe,
    rows: int,
    model: str,
    entry: BaseModelEntry | None,
    full_batches_of: int | None = None,
) -> dict[str, Any]:
    """The values for the keys that say `auto`; what the model table says of the name goes before the rule.

    `full_batches_of`: rows, for a trainer that leaves out a batch that is not full. It may find half of them too long
    for the model, and still fills one.
    """
    template = _template(config, entry)
    asked = {key: value for key, value in config.items() if is_left_to_rule(recipe, key, value)}
    if not asked:
        return template
    preset = {key: value for key, value in _presets(entry).items() if key in asked}
    left = {key: value for key, value in {**config, **preset}.items() if value is not None}
    ruled = choose(left, recipe=recipe, rows=rows, parameters=parameters_of(model), context=context_of(model))
    if full_batches_of is not None and "batch_size" in ruled:
        ruled["batch_size"] = max(1, min(ruled["batch_size"], full_batches_of // 2))
    return {**template, **preset, **ruled}


def with_server_defaults(
    config: TrainingConfig, requested: Mapping[str, Any], *, recipe: Recipe, parity_check: bool
) -> TrainingConfig:
    """What the server's settings switch on for the runs that do not say, where it can be honoured."""
    can = recipe.generates and not config.load_in_4bit and not config.load_in_8bit
    if parity_check and can and "parity_check" not in requested:
        return config.model_copy(update={"parity_check": True})
    return config


def parameters_of(model: str) -> int:
    """Of a built-in model, a folder, or a hub id; an adapter's base's."""
    model = whole_model(model, _folder_of)
    if model in BUILTIN_PARAMETERS:
        return BUILTIN_PARAMETERS[model]
    folder = _folder_of(model)
    if folder is not None:
        return count_parameters(folder) or ASSUMED_PARAMETERS
    return parameters_in_name(model) or ASSUMED_PARAMETERS


def context_of(model: str) -> int | None:
    """Tokens; None where nothing here says it."""
    model = whole_model(model, _folder_of)
    if model in BUILTIN_PARAMETERS:
        return BUILTIN_CONTEXT
    folder = _folder_of(model)
    return None if folder is None else context_length(text_config(folder))


def description_of(model: str) -> tuple[dict[str, Any], int] | None:
    """What its configuration says of the text part, and its parameters, where its files are here and can be read; an
    adapter's base's."""
    folder = _folder_of(whole_model(model, _folder_of))
    parameters = None if folder is None else count_parameters(folder)
    return None if folder is None or parameters is None else (text_config(folder), parameters)


def _template(config: Mapping[str, Any], entry: BaseModelEntry | None) -> dict[str, Any]:
    """Serving takes the administrator's template for the name, so training does too."""
    if entry is None or entry.chat_template is None or config.get("chat_template") is not None:
        return {}
    return {"chat_template": entry.chat_template}


def _presets(entry: BaseModelEntry | None) -> dict[str, Any]:
    if entry is None:
        return {}
    presets: dict[str, Any] = {"max_length": entry.max_length, "learning_rate": entry.learning_rate}
    if entry.method != AUTO:
        presets["use_lora"] = entry.method == "lora"
    return {key: value for key, value in presets.items() if value is not None}


def _folder_of(model: str) -> Path | None:
    """Where its files are, also of a hub's model that is in the cache."""
    path = Path(model)
    return path if path.is_absolute() else cached_snapshot(model)
