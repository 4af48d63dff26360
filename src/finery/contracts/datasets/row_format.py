"""Base class of row formats: a format declares its columns, and makes a training example of a row."""

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any, ClassVar, Self, get_type_hints

import msgspec
from msgspec import Raw, Struct

from finery.contracts.datasets.examples import Example
from finery.contracts.datasets.message_reader import Turn, read_text
from finery.contracts.datasets.messages import AnyMessage, JsonObject

LABEL = "label"
LABEL_KEYS = ("kto_tag", LABEL)
FUNCTIONS = "functions"
LABELS = {"true": True, "1": True, "false": False, "0": False}
ANY_BUT_NULL = bool | int | float | str | list[Any] | dict[str, Any]


JSON_TYPES: dict[Any, Any] = {str: str, str | None: str, bool: bool, object: ANY_BUT_NULL}
"""Declared type of a column → the type that its JSON is decoded into. Others name it in their annotation."""
MessageList = Annotated[object, list[AnyMessage]]
Answer = Annotated[object, str | list[AnyMessage] | JsonObject]
TurnList = Annotated[object, list[Turn]]
Tools = Annotated[object, Raw]


class RowFormat(Struct, gc=False, kw_only=True):
    """A row of one format, which is detected by its columns without a default.

    A subclass declares its columns: text as `str` or `str | None`; anything that `example` reads itself as `object` or
    one of the types above. A row whose JSON does not fit the declared types is passed to `read` as an object.
    """

    name: ClassVar[str]

    @classmethod
    def read(cls, row: JsonObject) -> Self:
        """Reads a row from an object. Raises RowRefused for a text column with another type."""
        values: dict[str, Any] = {}
        for column, kind in columns_of(cls).items():
            if (value := value_of(row, column)) is not None:
                values[column] = read_text(value, column) if kind is str else value
        return cls(**values)

    @classmethod
    def decoded(cls, filled: Iterable[str], empty: Iterable[str]) -> type[Self]:
        """Returns a class that decodes rows with these further columns, filled or null, and no others.

        They are decoded though nothing reads them: msgspec would skip over invalid UTF-8 in them otherwise.
        """
        fields: list[Any] = []
        for column, kind in columns_of(cls).items():
            if column in needed_by(cls):
                fields.append((column, kind))
            else:
                # Raw accepts null by itself.
                fields.append((column, kind if kind is Raw else kind | None, None))
        for index, (column, kind) in enumerate([*((each, Any) for each in filled), *((each, None) for each in empty)]):
            fields.append((f"other_{index}", kind, msgspec.field(name=column, default=None)))
        return msgspec.defstruct(  # type: ignore[return-value]
            cls.__name__, fields, bases=(cls,), kw_only=True, gc=False, forbid_unknown_fields=True
        )

    def example(self) -> Example:
        """Returns the training example. Raises RowRefused."""
        raise NotImplementedError


@cache
def columns_of(row_format: type[RowFormat]) -> dict[str, Any]:
    """Returns the columns of a format, each with the type that its JSON is decoded into."""
    hints = get_type_hints(row_format, include_extras=True)
    declared = {column: hints[column] for column in row_format.__struct_fields__}
    return {name: JSON_TYPES[hint] if hint in JSON_TYPES else hint.__metadata__[0] for name, hint in declared.items()}


@cache
def needed_by(row_format: type[RowFormat]) -> tuple[str, ...]:
    """Returns the columns without a default."""
    return tuple(field.name for field in msgspec.structs.fields(row_format) if field.required)


def value_of(row: JsonObject, column: str) -> object:
    """Returns the value of a column. The label may be in one of two, and is None if neither reads as true or false.

    OpenAI's older rows have their tools in `functions`.
    """
    if column == "tools":
        return tools_of(row)
    return label_of(row) if column == LABEL else row.get(column)


def tools_of(row: JsonObject) -> object:
    return row.get(FUNCTIONS) if row.get("tools") in (None, "", []) else row["tools"]


def label_of(row: JsonObject) -> bool | None:
    """Returns the row's label; None if it has none that reads as true or false."""
    for key in LABEL_KEYS:
        value = row.get(key)
        if isinstance(value, bool | int | str) and (label := LABELS.get(str(value).strip().lower())) is not None:
            return label
    return None
