"""What one of the public APIs is to the app: its routes, how it tells of errors, and what else it needs."""

import re
from dataclasses import dataclass, field

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.types import Scope

from finery.contracts.webhook_events import EventMaker
from finery.http.errors import DialectRoute, ErrorShape


@dataclass(frozen=True)
class Dialect:
    """What a dialect's folder exports; `finery.api` lists them."""

    name: str
    routers: tuple[APIRouter, ...]
    prefixes: tuple[str, ...]
    """Addresses below which it answers where no route does; of all dialects' the longest that fits counts."""
    errors: ErrorShape
    error_model: type[BaseModel]
    """The error's body, for the API's document."""
    ids: re.Pattern[str] | None = None
    """The form of its ids, by which it is told from others that have routes at the same addresses."""
    event_maker: EventMaker | None = None
    """Its own words for events, where its webhooks have some."""
    cors_headers: tuple[str, ...] = ()
    """Headers of requests by which pages of other origins may speak it, beside those of every dialect."""


@dataclass(frozen=True)
class Dialects:
    """Finds the dialect that answers a request which no route does."""

    dialects: tuple[Dialect, ...]
    _paths: dict[str, tuple[re.Pattern[str], ...]] = field(init=False, default_factory=dict)
    """By dialect, what the addresses of its routes look like."""

    def __post_init__(self) -> None:
        for dialect in self.dialects:
            routes = iter_route_contexts([route for router in dialect.routers for route in router.routes])
            self._paths[dialect.name] = tuple({route.path_regex for route in routes if route.path_regex is not None})

    def errors_for(self, scope: Scope) -> ErrorShape:
        """The shape of the route that was asked. Where there is none for the method, that of the dialect with routes at
        the address (of several, the one whose ids look like those in it), or else with the longest prefix that fits."""
        route = scope.get("route")
        if isinstance(route, DialectRoute) and scope["method"] in route.methods:
            return route.errors
        path = scope["path"]
        there = [each for each in self.dialects if any(regex.match(path) for regex in self._paths[each.name])]
        if len(there) > 1:
            parts = path.split("/")
            there = [each for each in there if each.ids and any(map(each.ids.fullmatch, parts))] or there
        return (there[0] if there else self._by_prefix(path)).errors

    def _by_prefix(self, path: str) -> Dialect:
        fitting = [
            (len(prefix), dialect)
            for dialect in self.dialects
            for prefix in dialect.prefixes
            if f"{path}/".startswith(f"{prefix}/")
        ]
        return max(fitting, key=lambda found: found[0], default=(0, self.dialects[0]))[1]
