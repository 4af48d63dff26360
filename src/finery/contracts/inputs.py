"""Declared inputs of a configuration: field types that mark models, datasets and folders, and how to find them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from finery.contracts.visible_text import PLAIN


@dataclass(frozen=True)
class ModelInput:
    """Marks a field that names a model."""


@dataclass(frozen=True)
class DatasetInput:
    """Marks a field that names data: a path, a stored dataset or an uploaded file."""

    entry: str | None = None
    """The sibling field with the name of an entry in the folder's dataset_info.json."""
    validates: str | None = None
    """The sibling field with the training data, if these rows are only evaluated."""


@dataclass(frozen=True)
class FolderInput:
    """Marks a field that names a folder."""

    may_hold_output: bool = False


InputKind = ModelInput | DatasetInput | FolderInput
ModelName = Annotated[str, Field(min_length=1, max_length=4096), PLAIN, ModelInput()]
DatasetPath = Annotated[str, Field(min_length=1, max_length=4096), DatasetInput()]
FolderPath = Annotated[str, Field(min_length=1, max_length=4096), FolderInput()]


@dataclass(frozen=True)
class Input:
    kind: InputKind
    place: tuple[str | int, ...]
    """The path to the field in the configuration: `("experts", 0, "dataset_path")`."""
    name: str
    """The field's value, as the user wrote it."""
    entry: str | None = None

    @property
    def field(self) -> str:
        return ".".join(map(str, self.place))

    @property
    def validates(self) -> str | None:
        """The field with the training data, if this one's rows are only evaluated."""
        if not isinstance(self.kind, DatasetInput) or self.kind.validates is None:
            return None
        return ".".join(map(str, (*self.place[:-1], self.kind.validates)))


def inputs_of(config: BaseModel) -> list[Input]:
    """Returns all inputs of a configuration and its nested models, in the order of their fields."""
    return list(_inputs_in(config, ()))


def replaced(config: dict[str, Any], names: Mapping[tuple[str | int, ...], str]) -> dict[str, Any]:
    """Writes `names` into a dumped configuration at their places, and returns it."""
    for place, name in names.items():
        part: Any = config
        for step in place[:-1]:
            part = part[step]
        part[place[-1]] = name
    return config


def _inputs_in(model: BaseModel, place: tuple[str | int, ...]) -> Iterator[Input]:
    values = dict(model)
    for name, field in type(model).model_fields.items():
        yield from _named(values[name], _kind_of(field), (*place, name), values)


def _named(
    value: object, kind: InputKind | None, place: tuple[str | int, ...], beside: dict[str, Any]
) -> Iterator[Input]:
    match value:
        case BaseModel():
            yield from _inputs_in(value, place)
        case str() if kind is not None:
            entry = kind.entry if isinstance(kind, DatasetInput) else None
            yield Input(kind, place, value, None if entry is None else beside[entry])
        case list() | tuple():
            for index, each in enumerate(value):
                yield from _named(each, kind, (*place, index), beside)
        case dict():
            for key, each in value.items():
                yield from _named(each, kind, (*place, key), beside)


def _kind_of(field: FieldInfo) -> InputKind | None:
    return next(_kinds_in((*field.metadata, field.annotation)), None)


def _kinds_in(parts: tuple[Any, ...]) -> Iterator[InputKind]:
    """Yields the marks in an annotation, which `Annotated` may carry inside of `list[…]` and `… | None` too."""
    for part in parts:
        if isinstance(part, InputKind):
            yield part
        else:
            yield from _kinds_in(get_args(part))
