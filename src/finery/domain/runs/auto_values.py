"""Chooses the values that a configuration leaves to the server: `auto`, and what the server's settings switch on.

The rule for `auto` is in contracts.recipes.auto_values; here the data and the model are looked up for it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from finery.contracts.builtin_models import BUILTIN_CONTEXT, BUILTIN_PARAMETERS
from finery.contracts.model_folder import context_length, local_folder, text_config, whole_model
from finery.contracts.model_table import BaseModelEntry
from finery.contracts.recipes import Recipe, TrainingConfig
from finery.contracts.recipes.auto_values import AUTO, choose, freezes_base, is_left_to_rule
from finery.kit.weights import count_parameters, parameters_in_name

ASSUMED_PARAMETERS = 1_000_000_000
"""The size of a model on a hub whose name does not tell it."""


def without_auto(recipe: Recipe, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration without `auto`, so that it can be parsed with defaults before the data are known."""
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
    """Return the values for the keys that say `auto`. The model table's entry for the name overrides the rule.

    `full_batches_of` is the number of rows, for a trainer that leaves out a batch that is not full. It may find half of
    them too long for the model, and still fills a batch.
    """
    template = {}
    if entry is not None and entry.chat_template is not None and config.get("chat_template") is None:
        # Serving uses the administrator's template for the name, so training does too.
        template = {"chat_template": entry.chat_template}
    automatic = {key for key, value in config.items() if is_left_to_rule(recipe, key, value)}
    if not automatic:
        return template
    preset = {key: value for key, value in presets_of(entry).items() if key in automatic}
    known = {key: value for key, value in {**config, **preset}.items() if value is not None}
    chosen = choose(known, recipe=recipe, rows=rows, parameters=parameters_of(model), context=context_of(model))
    if full_batches_of is not None and "batch_size" in chosen:
        chosen["batch_size"] = max(1, min(chosen["batch_size"], full_batches_of // 2))
    return {**template, **preset, **chosen}


def with_server_defaults(
    config: TrainingConfig, requested: Mapping[str, Any], *, recipe: Recipe, parity_check: bool
) -> TrainingConfig:
    """Switch on what the server's settings say, where the request does not say otherwise and the run can do it."""
    is_able = recipe.generates and not config.load_in_4bit and not config.load_in_8bit
    if parity_check and is_able and "parity_check" not in requested:
        return config.model_copy(update={"parity_check": True})
    return config


def parameters_of(model: str) -> int:
    """Return the number of parameters of a built-in model, a folder or a hub id; of an adapter, its base's."""
    model = whole_model(model, local_folder)
    if model in BUILTIN_PARAMETERS:
        return BUILTIN_PARAMETERS[model]
    folder = local_folder(model)
    if folder is not None:
        return count_parameters(folder) or ASSUMED_PARAMETERS
    return parameters_in_name(model) or ASSUMED_PARAMETERS


def context_of(model: str) -> int | None:
    """Return the context length in tokens, or None where no local file tells it."""
    return tokens_of(model, context_length)


def tokens_of(model: str, read: Callable[[Mapping[str, Any]], int | None]) -> int | None:
    """Return the number of tokens that `read` finds in the configuration of the text model; of an adapter, its base's.

    The built-in models' context where it is one of them; None where no local file tells it.
    """
    model = whole_model(model, local_folder)
    if model in BUILTIN_PARAMETERS:
        return BUILTIN_CONTEXT
    folder = local_folder(model)
    return None if folder is None else read(text_config(folder))


def description_of(model: str) -> tuple[dict[str, Any], int] | None:
    """Return the configuration of the text model and the number of parameters; of an adapter, its base's.

    None where the model's files are not on this machine, or cannot be read.
    """
    folder = local_folder(whole_model(model, local_folder))
    parameters = None if folder is None else count_parameters(folder)
    return None if folder is None or parameters is None else (text_config(folder), parameters)


def presets_of(entry: BaseModelEntry | None) -> dict[str, Any]:
    if entry is None:
        return {}
    presets: dict[str, Any] = {"max_length": entry.max_length, "learning_rate": entry.learning_rate}
    if entry.method != AUTO:
        presets["use_lora"] = entry.method == "lora"
    return {key: value for key, value in presets.items() if value is not None}
