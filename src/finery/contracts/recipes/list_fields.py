"""Tells lists that a recipe's field takes by nature from lists of values that are to be tried one after another."""

from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from finery.contracts.recipes.base import RecipeConfig

DEEPEST = 4
"""No field takes lists that are nested so deeply; what a request nests further is not looked at."""


def holds_values(config: type[RecipeConfig], field: str, value: object) -> bool:
    """Returns whether `value` is a list of values for the field: it has one list more around it than the field takes.

    `[1e-4, 2e-4]` is one for `learning_rate`, `["q_proj"]` none for `lora_target_modules`, but `[["q_proj"]]` is.
    """
    info = config.model_fields.get(field)
    return info is not None and _depth_of_value(value) > _depth_of_type(info.annotation)


def takes_lists(config: type[RecipeConfig], field: str) -> bool:
    """Returns whether a single value of the field may be a list."""
    info = config.model_fields.get(field)
    return info is not None and _depth_of_type(info.annotation) > 0


def _depth_of_value(value: object, limit: int = DEEPEST) -> int:
    if not isinstance(value, list) or not limit:
        return 0
    return 1 + max((_depth_of_value(each, limit - 1) for each in value), default=0)


def _depth_of_type(annotation: Any) -> int:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _depth_of_type(arguments[0])
    if origin in (Union, UnionType):
        return max(map(_depth_of_type, arguments))
    return 1 + _depth_of_type(arguments[0]) if origin is list else 0
