"""Says by what the values were chosen that a configuration left to the server."""

from collections.abc import Iterator
from typing import Any

from finery.contracts.builtin_models import BUILTIN_PARAMETERS
from finery.contracts.previews import AutoChoice
from finery.contracts.recipes.auto_values import ADAPTERS_FROM, LONGEST_LENGTH
from finery.contracts.recipes.base import MODEL
from finery.domain.context import DomainContext
from finery.domain.runs.auto_values import context_of, parameters_of, presets_of
from finery.domain.runs.validation import Plan
from finery.kit.translatable import Translatable

AUTOMATIC = "automatic"
"""The code of the notice that tells the choices."""


def choices_of(plan: Plan, context: DomainContext) -> Iterator[AutoChoice]:
    """Yield the choices of a planned run, each with its reason."""
    chosen: dict[str, Any] = next(
        (notice.as_json()["values"] for notice in plan.notices if notice.code == AUTOMATIC), {}
    )
    presets = presets_of(context.models.get(plan.model_name or ""))
    for setting, value in chosen.items():
        is_preset = setting in presets or setting == "chat_template"
        reason = Translatable("set by the administrator for this model") if is_preset else _reason(setting, plan)
        yield AutoChoice(setting=setting, value=value, reason=reason)


def _reason(setting: str, plan: Plan) -> str:
    model = plan.resolved.models.get(MODEL, "")
    match setting:
        case "num_epochs" | "batch_size":
            return Translatable("for {rows:,} rows of data", rows=plan.rows or 0)
        case "learning_rate" if plan.config.get("use_lora"):
            return Translatable("for an adapter of a model with {size} parameters", size=_size(model))
        case "learning_rate":
            return Translatable("for full training of a model with {size} parameters", size=_size(model))
        case "use_lora":
            return Translatable(
                "the model has {size} parameters; from {limit} on an adapter is trained",
                size=_size(model),
                limit=_told(ADAPTERS_FROM),
            )
        case "max_length" if (tokens := context_of(model)) is not None:
            return Translatable(
                "the model takes {tokens:,} tokens; {most:,} are used at most", tokens=tokens, most=LONGEST_LENGTH
            )
        case "max_length":
            return Translatable("how many tokens the model takes is not known")
    return Translatable("the default of the method")


def _size(model: str) -> str:
    return _told(BUILTIN_PARAMETERS.get(model) or parameters_of(model))


def _told(count: int) -> str:
    for limit, unit in ((10**9, "B"), (10**6, "M")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return f"{count:,}"
