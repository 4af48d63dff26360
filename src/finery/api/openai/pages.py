"""Pages in OpenAI's form: `after` names the last object of the page before."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from starlette.requests import Request

from finery.domain.errors import Issue
from finery.domain.issues import UNKNOWN_KEY
from finery.http.problems import RequestRefused, invalid_request

Thing = TypeVar("Thing")


async def known_only(request: Request) -> None:
    """A dependency of routes. Raises RequestRefused for keys of the query that theirs does not name."""
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    for key in request.query_params:
        if key not in known:
            raise unknown_key(key)


def page_after(things: Sequence[Thing], id_of: Callable[[Thing], str], after: str | None, limit: int) -> list[Thing]:
    """One more than `limit` where there are more. Raises RequestRefused for an unknown `after`."""
    if after is None:
        return list(things[: limit + 1])
    for index, thing in enumerate(things):
        if id_of(thing) == after:
            return list(things[index + 1 : index + 2 + limit])
    raise unknown_after(after)


def unknown_after(after: str) -> RequestRefused:
    return RequestRefused(invalid_request([Issue("after", f"there is no object {after[:100]!r} in this list")]))


def unknown_key(key: str) -> RequestRefused:
    return RequestRefused(invalid_request([Issue(key[:100], f"unknown key {key[:100]!r}", code=UNKNOWN_KEY)]))
