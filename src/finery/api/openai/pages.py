"""Paging in OpenAI's form (`after` names the last object of the page before), and checks of query parameters."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.requests import Request

from finery.domain.errors import Issue
from finery.domain.issues import UNKNOWN_KEY
from finery.http.problems import RequestRefused, invalid_request

Item = TypeVar("Item")


async def refuse_unknown_parameters(request: Request) -> None:
    """Is a dependency of routes. Raises RequestRefused for query parameters that the route does not name."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for key in request.query_params:
        if key not in known:
            raise unknown_key(key)


def page_after(items: Sequence[Item], id_of: Callable[[Item], str], after: str | None, limit: int) -> list[Item]:
    """Returns `limit` items after the one with the id `after`, and one more where there is one.

    Raises RequestRefused for an unknown `after`.
    """
    if after is None:
        return list(items[: limit + 1])
    for index, item in enumerate(items):
        if id_of(item) == after:
            return list(items[index + 1 : index + 2 + limit])
    raise unknown_after(after)


def unknown_after(after: str) -> RequestRefused:
    return RequestRefused(invalid_request([Issue("after", f"there is no object {after[:100]!r} in this list")]))


def unknown_key(key: str) -> RequestRefused:
    return RequestRefused(invalid_request([Issue(key[:100], f"unknown key {key[:100]!r}", code=UNKNOWN_KEY)]))
