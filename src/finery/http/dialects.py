"""The descriptor of a dialect (one of the public APIs): its routes, errors and headers; and which dialect answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from starlette.routing import BaseRoute
from starlette.types import Scope

from finery.contracts.webhook_events import WebhookEventRenderer
from finery.http.errors import DialectRoute, ErrorShape
from finery.http.permission import Allow, AllowEveryone

PREFIX = re.compile(r"(/[^/]+)*")


@dataclass(frozen=True)
class Dialect:
    """Describes a dialect. Each dialect's folder exports one; `finery.api` lists them."""

    name: str
    routers: tuple[APIRouter, ...]
    prefixes: tuple[str, ...]
    """It answers below these paths where no route does. Of all dialects' prefixes the longest that fits counts."""
    errors: ErrorShape
    error_model: type[BaseModel]
    """The body of its errors, for OpenAPI."""
    ids: re.Pattern[str] | None = None
    """The form of its ids, which decides between dialects that have routes at the same path."""
    webhook_renderer: WebhookEventRenderer | None = None
    """Makes the events of its webhooks, where it has its own."""
    cors_headers: tuple[str, ...] = ()
    """Request headers that pages of other origins may send, beside those of every dialect."""
    examples: str | None = None
    """The module whose EXAMPLES of requests the OpenAPI document shows. It is imported when that is asked for."""
    complete_document: Callable[[dict[str, Any]], None] = lambda document: None
    """Puts into the OpenAPI document what FastAPI cannot see in its routes. Called when it is asked for."""


@dataclass(frozen=True)
class Dialects:
    """Finds the dialect whose errors answer a request."""

    dialects: tuple[Dialect, ...]
    _paths: dict[str, tuple[re.Pattern[str], ...]] = field(init=False, default_factory=dict)
    """The patterns of its routes' paths, by dialect."""
    _prefixes: dict[str, Dialect] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError for a name or prefix that two dialects have, a prefix that fits no path, and a route that
        asks for no permission, which everybody could call."""
        for dialect in self.dialects:
            if dialect.name in self._paths:
                raise ValueError(f"{dialect.name!r} stands for two dialects")
            for prefix in dialect.prefixes:
                if PREFIX.fullmatch(prefix) is None:
                    raise ValueError(
                        f"{prefix!r} is no prefix of a dialect: it begins with a slash and does not end with one"
                    )
                if self._prefixes.setdefault(prefix, dialect) is not dialect:
                    raise ValueError(f"{prefix!r} stands for two dialects")
            routes = list(iter_route_contexts([route for router in dialect.routers for route in router.routes]))
            for route in routes:
                _check_permission(dialect, route.original_route)
            self._paths[dialect.name] = tuple({route.path_regex for route in routes if route.path_regex is not None})

    def errors_for(self, scope: Scope) -> ErrorShape:
        """Returns the shape of the request's route. Where the path has no route for the method, it is that of the
        dialect with routes at the path (of several, the one whose ids are in it), or else with the longest prefix."""
        route = scope.get("route")
        if isinstance(route, DialectRoute) and scope["method"] in route.methods:
            return route.errors
        path = scope["path"]
        there = [dialect for dialect in self.dialects if any(regex.match(path) for regex in self._paths[dialect.name])]
        if len(there) > 1:
            parts = path.split("/")
            there = [each for each in there if each.ids and any(map(each.ids.fullmatch, parts))] or there
        if there:
            return there[0].errors
        fitting = [prefix for prefix in self._prefixes if f"{path}/".startswith(f"{prefix}/")]
        return (self._prefixes[max(fitting, key=len)] if fitting else self.dialects[0]).errors


def _check_permission(dialect: Dialect, route: BaseRoute) -> None:
    dependencies = route.dependencies if isinstance(route, APIRoute) else []
    if not any(isinstance(each.dependency, Allow | AllowEveryone) for each in dependencies):
        raise ValueError(f"a route of the dialect {dialect.name!r} asks for no permission: {route!r}")
