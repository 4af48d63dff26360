"""Which struct a file's rows are read with."""

from secrets import token_hex
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import msgspec
from msgspec import field
from msgspec.json import Decoder

from finery.contracts.datasets.messages import ROLES, check_order
from finery.contracts.datasets.rows import ExampleKind, Message, Role, RowRefused
from finery.contracts.datasets.shapes import Shape
from finery.contracts.datasets.swift.base import Speaker, SwiftRow
from finery.contracts.datasets.swift.chat import RichChat
from finery.contracts.datasets.swift.plain import PLAIN_STRUCTS, Chat

TRIES = 16
"""So many first rows may find their struct; then the file is read the long way."""


class SwiftReader:
    """Reads rows with the first struct of its kind that takes one of the file's first rows."""

    def __init__(self, kind: ExampleKind) -> None:
        self._candidates = [(struct, RichChat) if struct is Chat else (struct,) for struct in PLAIN_STRUCTS[kind]]
        self._decoders: list[_Decoders] = []
        self._tries = TRIES

    def read(self, data: bytes) -> SwiftRow | None:
        """None: it takes the long way."""
        if not self._decoders:
            self._choose(data)
        for index, decoders in enumerate(self._decoders):
            if (row := _decoded(decoders.of_row, data)) is not None:
                # A richer struct has taken what a plainer one could not: more such rows will come.
                del self._decoders[:index]
                return row
        return None

    def read_block(self, block: bytes) -> list[SwiftRow] | None:
        """The rows of all of its lines, or None."""
        if not self._decoders:
            return None
        joined = block.replace(b"\n", _BETWEEN)
        lines = _decoded(self._decoders[0].of_block, b"".join((_BEFORE, joined, _AFTER)))
        count = 1 + (len(joined) - len(block)) // (len(_BETWEEN) - 1)
        # There are fewer where a row goes on in the next line.
        return [line.row for line in lines] if lines and len(lines) == count else None

    def _choose(self, data: bytes) -> None:
        if self._tries == 0:
            return
        self._tries -= 1
        row = _decoded(_OBJECT, data)
        if row is None:
            return
        for structs in self._candidates:
            decoders = [_decoders_of(_with_others(struct, row)) for struct in structs]
            taking = [index for index, each in enumerate(decoders) if _decoded(each.of_row, data)]
            if taking:
                self._decoders = decoders[taking[0] :]
                return


def roles_of(speakers: tuple[Speaker, ...], shape: Shape) -> tuple[Role, ...] | None:
    """None where the long way has something to say about their order."""
    roles = tuple(ROLES[speaker if isinstance(speaker, str) else _word(speaker)] for speaker in speakers)
    if shape is Shape.TEXT:
        return roles
    if not roles:
        return None
    try:
        check_order([Message(role=role, content="") for role in roles], "")
    except RowRefused:
        return None
    return roles


def _word(speaker: type) -> str:
    return str(speaker.__struct_config__.tag)  # type: ignore[attr-defined]


# A block of lines is decoded at once, as one list: each line's row under a key that is drawn anew in every process. No
# file can hold it, so that there are as many such keys on the outermost level as lines only if each line is one row.
_KEY = token_hex(8)
_BEFORE, _BETWEEN, _AFTER = f'[{{"{_KEY}":'.encode(), f'}},{{"{_KEY}":'.encode(), b"}]"


class _Line(Protocol):
    row: SwiftRow


class _Decoders(NamedTuple):
    of_row: Decoder[SwiftRow]
    of_block: Decoder[list[_Line]]


def _decoders_of(struct: type[SwiftRow]) -> _Decoders:
    line = msgspec.defstruct("Line", [("row", struct, field(name=_KEY))], gc=False, forbid_unknown_fields=True)
    return _Decoders(Decoder(struct), cast(Decoder[list[_Line]], Decoder(list[line])))  # type: ignore[valid-type]


Decoded = TypeVar("Decoded")
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_OBJECT = Decoder(dict[str, Any])


def _with_others(struct: type[SwiftRow], row: dict[str, Any]) -> type[SwiftRow]:
    """The struct with the row's further keys, which are decoded though nothing reads them.

    Were they skipped, a broken character in one would pass here and stop the trainer, which decodes all.
    """
    known = {field.encode_name for field in msgspec.structs.fields(struct)}
    others = [key for key in row if key not in known]
    fields = [(f"other_{index}", Any, field(name=key, default=None)) for index, key in enumerate(others)]
    made = msgspec.defstruct(
        struct.__name__, fields, bases=(struct,), kw_only=True, gc=False, forbid_unknown_fields=True
    )
    return cast(type[SwiftRow], made)


def _decoded(decoder: Decoder[Decoded], data: bytes) -> Decoded | None:
    try:
        return decoder.decode(data)
    except UNREADABLE:
        return None
