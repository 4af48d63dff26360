"""What a configuration names for the server to find: models, data and folders, as the types of its fields say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from finery.contracts.visible_text import PLAIN


@dataclass(frozen=True)
class ModelInput:
    """The name of a model."""


@dataclass(frozen=True)
class DatasetInput:
    """A path to data, a stored dataset or an uploaded file."""

    entry: str | None = None
    """The field beside it that names an entry of a folder's dataset_info.json."""
    validates: str | None = None
    """The field beside it that names what is learned, where these rows are only looked at."""


@dataclass(frozen=True)
class FolderInput:
    """A path to a folder."""

    may_hold_output: bool = False


InputKind = ModelInput | DatasetInput | FolderInput
ModelName = Annotated[str, Field(min_length=1, max_length=4096), PLAIN, ModelInput()]
DatasetPath = Annotated[str, Field(min_length=1, max_length=4096), DatasetInput()]
FolderPath = Annotated[str, Field(min_length=1, max_length=4096), FolderInput()]


@dataclass(frozen=True)
class Input:
    kind: InputKind
    place: tuple[str | int, ...]
    """On the way to it through the configuration: `("experts", 0, "dataset_path")`."""
    name: str
    """As the user wrote it."""
    entry: str | None = None

    @property
    def field(self) -> str:
        return ".".join(map(str, self.place))

    @property
    def validates(self) -> str | None:
        """The field of the data that are learned, where these are only looked at."""
        if not isinstance(self.kind, DatasetInput) or self.kind.validates is None:
            return None
        return ".".join(map(str, (*self.place[:-1], self.kind.validates)))


def inputs_of(config: BaseModel) -> list[Input]:
    """In the order of its fields, those of its parts included."""
    return list(_inputs_in(config, ()))


def replaced(config: dict[str, Any], names: Mapping[tuple[str | int, ...], str]) -> dict[str, Any]:
    """The dumped configuration, changed in place, with other names at these places."""
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
    """Also inside of `list[…]` and `… | None`: a mark is an argument of `Annotated`."""
    for part in parts:
        if isinstance(part, InputKind):
            yield part
        else:
            yield from _kinds_in(get_args(part))
