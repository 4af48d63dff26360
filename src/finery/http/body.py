"""JSON bodies, read strictly: what two parsers could understand differently is refused."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import anyio
from starlette.requests import Request
from starlette.types import Receive, Scope

from finery.http.problems import Problem, RequestRefused, unreadable_body

MAX_DEPTH = 100
LARGE = 256 << 10
"""Bytes that take long enough to parse for other requests to feel it."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class StrictRequest(Request):
    """Its body is JSON, of at most `most_bytes` where that is given. Files are streamed, and never come this way."""

    def __init__(self, scope: Scope, receive: Receive, *, most_bytes: int | None = None) -> None:
        super().__init__(scope, receive)
        self._most_bytes = most_bytes
        self._whole: bytes | None = None

    async def body(self) -> bytes:
        """Raises RequestRefused, for another media type before anything is read: the limit on files is not for JSON."""
        if self._whole is None:
            self._refuse_other_types()
            self._whole = await self._read()
        return self._whole

    async def json(self) -> Any:
        data = await self.body()
        return parse_json(data) if len(data) < LARGE else await anyio.to_thread.run_sync(parse_json, data)

    async def _read(self) -> bytes:
        read = bytearray()
        async for piece in self.stream():
            read += piece
            if self._most_bytes is not None and len(read) > self._most_bytes:
                message = f"the body is larger than {self._most_bytes} bytes"
                raise RequestRefused(Problem(413, "too_large", message, headers={"Connection": "close"}))
        return bytes(read)

    def _refuse_other_types(self) -> None:
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type and media_type != "application/json" and not media_type.endswith("+json"):
            message = "send JSON, with the header Content-Type: application/json"
            raise RequestRefused(Problem(415, "unsupported_media_type", message))


def parse_json(data: bytes) -> Any:
    """Raises RequestRefused for what is no JSON, for duplicate keys, NaN, 1e400, lone surrogates, deep nesting."""
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise unreadable_body(f"the JSON is nested more than {MAX_DEPTH} deep") from error
    except ValueError as error:
        raise unreadable_body(f"the body is no JSON: {_reason(error)}") from error
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise unreadable_body(f"the JSON is nested more than {MAX_DEPTH} deep")
    if _SURROGATE.search(data) and not _is_encodable(value):
        raise unreadable_body("the JSON holds half of a surrogate pair, which is no character")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise unreadable_body(f"the key {twice[:80]!r} occurs twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise unreadable_body(f"{name} is no JSON number; give a finite one")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise unreadable_body(f"the number {text[:80]} is too large")
    return number


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}, column {error.colno}"
    return "it is not valid UTF-8" if isinstance(error, UnicodeDecodeError) else "it holds a number that is too long"


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _is_encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
