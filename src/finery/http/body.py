"""Reads JSON bodies strictly and at a bounded cost.

What two parsers could understand differently is refused, and so is what would take long to check.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import anyio
import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope

from finery.domain.errors import Issue
from finery.domain.issues import MAX_FIELD
from finery.http.problems import Problem, RequestRefused, invalid_request, unreadable_body
from finery.kit.json_values import outside_of_strings
from finery.kit.printable import printable
from finery.kit.translatable import Translatable

LARGE = 64 << 10
"""Bytes. A larger body takes so long that other requests would wait noticeably: a thread works on it."""
EXPLAINED = 1 << 20
"""Bytes. For a larger body that is no JSON the error does not say where it is broken."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class JsonBounds:
    """Limits what a body consists of, however few bytes that takes; but not text, which costs little per byte.

    It is a dependency of routes with other limits than these: `dependencies=[Depends(JsonBounds(values=100_000))]`.
    """

    values: int = 20_000
    """Objects, lists and what they hold, keys aside. pydantic checks them on the event loop, and may find several
    errors in each."""
    keys: int = 1_000
    """Of one object."""
    key_characters: int = 500
    depth: int = 100
    nul: bool = False
    """Whether a text may hold the character NUL. PostgreSQL stores none; SQLite would."""

    async def __call__(self) -> None:
        """Does nothing: the body has been read by then."""


CONVERSATION = JsonBounds(values=100_000, nul=True)
"""For bodies that are passed on to an engine; they are checked in a thread."""


class StrictRequest(Request):
    """A request whose body is JSON, of at most `most_bytes` where that is given. Files are streamed instead."""

    def __init__(
        self, scope: Scope, receive: Receive, *, most_bytes: int | None = None, bounds: JsonBounds | None = None
    ) -> None:
        super().__init__(scope, receive)
        self._most_bytes = most_bytes
        self._bounds = bounds or JsonBounds()
        self._whole: bytes | None = None

    async def body(self) -> bytes:
        """Raises RequestRefused."""
        if self._whole is None:
            # Before anything is read, since other media types may be as large as files.
            self._refuse_other_types()
            self._whole = await self._read()
            _body_bytes.set(len(self._whole))
        return self._whole

    async def json(self) -> Any:
        return await beside_loop(parse_json, await self.body(), self._bounds)

    async def _read(self) -> bytes:
        read = bytearray()
        async for piece in self.stream():
            read += piece
            if self._most_bytes is not None and len(read) > self._most_bytes:
                message = Translatable("the body is larger than {most_bytes} bytes", most_bytes=self._most_bytes)
                raise RequestRefused(Problem(413, "too_large", message, headers={"Connection": "close"}))
        return bytes(read)

    def _refuse_other_types(self) -> None:
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type and media_type != "application/json" and not media_type.endswith("+json"):
            message = Translatable("send JSON, with the header Content-Type: application/json")
            raise RequestRefused(Problem(415, "unsupported_media_type", message))


_body_bytes = ContextVar("body_bytes", default=0)


async def beside_loop(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """Returns the result of work on a request's body, done in a thread where the body is large; for a small one a
    thread would cost more than the work itself."""
    if _body_bytes.get() < LARGE:
        return work(*args, **kwargs)
    return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs))


def parse_json(data: bytes, bounds: JsonBounds | None = None) -> Any:
    """Raises RequestRefused for what is beyond the bounds or no JSON: duplicate keys, NaN, 1e400, lone surrogates."""
    bounds = bounds or JsonBounds()
    # Values are counted in the bytes first, before any object is made of them.
    pairs = _count_pairs(data, bounds)
    try:
        value = msgspec.json.decode(data)
    except RecursionError as error:
        raise _too_deep(bounds) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _explained(data, error) from error
    if _count_keys(value, bounds) < pairs:
        raise _explained(data, None)
    if not bounds.nul and b"\\u0000" in data and (place := _path_of_nul(value)) is not None:
        message = Translatable("holds the character NUL, which cannot be stored; leave it out")
        raise RequestRefused(invalid_request([Issue(printable(place, limit=MAX_FIELD), message)]))
    return value


def _count_pairs(data: bytes, bounds: JsonBounds) -> int:
    """Returns how many keys the text has, repeated ones included. Raises RequestRefused for too many values."""
    pairs = values = strings = 0
    for outside, quotes in outside_of_strings(data):
        pairs += outside.count(b":")
        values += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        strings += quotes // 2
        # Every string is a value or a key.
        if values > bounds.values or strings > 2 * bounds.values:
            raise unreadable_body(
                Translatable("the JSON holds more than {values} values; send less at once", values=bounds.values)
            )
    return pairs


def _count_keys(value: Any, bounds: JsonBounds) -> int:
    """Returns how many keys the parsed value has. Raises RequestRefused for what is nested too deep, and for too many
    or too long keys."""
    count, level = 0, [value]
    for _ in range(bounds.depth):
        for found in level:
            if isinstance(found, dict):
                count += len(found)
                _check_keys(found, bounds)
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return count
    raise _too_deep(bounds)


def _check_keys(found: dict[str, Any], bounds: JsonBounds) -> None:
    if len(found) > bounds.keys:
        raise unreadable_body(
            Translatable("an object has {count} keys; at most {keys} are read", count=len(found), keys=bounds.keys)
        )
    if any(len(key) > bounds.key_characters for key in found):
        raise unreadable_body(
            Translatable("a key has more than {key_characters} characters", key_characters=bounds.key_characters)
        )


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _path_of_nul(value: Any, place: str = "") -> str | None:
    match value:
        case str():
            return place if "\0" in value else None
        case dict():
            children = [(key, found, "\0" in key) for key, found in value.items()]
        case list():
            children = [(str(index), found, False) for index, found in enumerate(value)]
        case _:
            return None
    for name, found, is_bad in children:
        path = f"{place}.{name}" if place else name
        if is_bad:
            return path
        if (inner := _path_of_nul(found, path)) is not None:
            return inner
    return None


def _too_deep(bounds: JsonBounds) -> RequestRefused:
    return unreadable_body(Translatable("the JSON is nested more than {depth} deep", depth=bounds.depth))


def _explained(data: bytes, error: Exception | None) -> RequestRefused:
    """Returns what is wrong with the body, by a slower parser that says more. Without `error` a key occurs twice."""
    if len(data) > EXPLAINED:
        return unreadable_body(
            Translatable("a key occurs twice in one object")
            if error is None
            else Translatable("the body is no JSON: {error}", error=error)
        )
    try:
        json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except RequestRefused as refusal:
        return refusal
    except (ValueError, RecursionError) as found:
        return unreadable_body(Translatable("the body is no JSON: {found}", found=_reason(found)))
    # That is the one thing that this parser accepts and msgspec does not.
    return unreadable_body(Translatable("the JSON holds half of a surrogate pair, which is no character"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise unreadable_body(Translatable("the key {twice!r} occurs twice in one object", twice=twice[:80]))
    return found


def _no_constant(name: str) -> Any:
    raise unreadable_body(Translatable("{name} is no JSON number; give a finite one", name=name))


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise unreadable_body(Translatable("the number {text} is too large", text=text[:80]))
    return number


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}, column {error.colno}"
    return "it is not valid UTF-8" if isinstance(error, UnicodeDecodeError) else "it holds a number that is too long"
