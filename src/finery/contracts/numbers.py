"""A base model whose numeric fields refuse booleans."""

from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationInfo, field_validator

from finery.kit.translatable import Translatable


class StrictNumbers(BaseModel):
    """Refuses true and false in numeric fields: pydantic would read them as 1 and 0, a learning rate of 1 say."""

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and info.field_name in _numbers_of(cls):
            raise ValueError(Translatable("must be a number, not true or false"))
        return value


@cache
def _numbers_of(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if _is_number(field.annotation))


def _is_number(annotation: Any) -> bool:
    """Returns whether the type is a number, or a union of numbers with None or literals."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _is_number(get_args(annotation)[0])
    if origin not in (Union, UnionType):
        return annotation in (int, float)
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType and get_origin(kind) is not Literal]
    return bool(kinds) and all(_is_number(kind) for kind in kinds)
