"""JSON bodies, read strictly: what two parsers could understand differently is refused."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from finery.http.problems import unreadable_body

MAX_DEPTH = 100
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class StrictRequest(Request):
    async def json(self) -> Any:
        return parse_json(await self.body())


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
