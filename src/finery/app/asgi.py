"""Builds the ASGI app of routers, middleware and error handlers: `uvicorn --factory finery.app.asgi:create_app`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from finery import __version__
from finery.app.composition import Composition
from finery.app.settings import Settings, load_settings
from finery.domain.accounts.tokens import KEY_PREFIX
from finery.http import docs
from finery.http.addresses import TrustedProxies, is_every_address
from finery.http.cors import Cors
from finery.http.dialects import Dialect, Dialects
from finery.http.errors import ErrorShape, add_error_handlers
from finery.http.guard import Guard, GuardSettings, host_names
from finery.http.identity import SESSION_COOKIE
from finery.http.latencies import LatencyMiddleware
from finery.http.permission import SECURITY_SCHEMES, needs_login
from finery.http.problems import Problem
from finery.http.request_ids import HEADER as REQUEST_ID
from finery.http.request_ids import RequestIds
from finery.web import routes as web

DESCRIPTION = "The self-hosted server for fine-tuning: put data in, get a trained, tested, served model out."
CORS_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Range", "X-API-Key", REQUEST_ID]
CORS_EXPOSED = ["Content-Disposition", "Content-Range", "Location", "Retry-After", REQUEST_ID]


class Application(FastAPI):
    dialects: tuple[Dialect, ...] = ()

    def build_middleware_stack(self) -> ASGIApp:
        # Starlette puts what answers 500 when all else has failed around everything that `add_middleware` adds. Request
        # ids and latencies have to be around that, too.
        return RequestIds(LatencyMiddleware(super().build_middleware_stack(), self.state.services.latencies))

    def openapi(self) -> dict[str, Any]:
        """Returns the document without FastAPI's own answer to bad parameters: each dialect declares another."""
        if self.openapi_schema is None:
            document = super().openapi()
            # Imported when the document is asked for, which most servers never are.
            from finery.http.openapi_document import complete

            complete(document, self.routes, self.dialects)
            self._add_security(document)
            for operation in (operation for path in document["paths"].values() for operation in path.values()):
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
            for name in ("HTTPValidationError", "ValidationError"):
                document["components"]["schemas"].pop(name, None)
        return super().openapi()

    def _add_security(self, document: dict[str, Any]) -> None:
        document["components"]["securitySchemes"] = SECURITY_SCHEMES
        for route in iter_route_contexts(self.routes):
            if isinstance(route.original_route, APIRoute) and route.include_in_schema and needs_login(route.dependant):
                for method in route.methods or ():
                    operation = document["paths"][str(route.path_format)][method.lower()]
                    operation["security"] = [{name: []} for name in SECURITY_SCHEMES]


def create_app(settings: Settings | None = None) -> FastAPI:
    return build_app(Composition(settings or load_settings()))


def build_app(composition: Composition) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(composition.start)
        services = composition.services
        services.async_notifier.attach()
        try:
            yield
        finally:
            services.streams.close()
            services.async_notifier.detach()
            await services.engines.close()
            await asyncio.to_thread(composition.stop)

    app = Application(
        title="Finery",
        description=DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.services = composition.services
    app.dialects = composition.dialects
    # `include_router` would make each route once more, at the first request: that took half a second.
    routers = [router for dialect in composition.dialects for router in dialect.routers]
    for router in (*routers, docs.router, web.router):
        app.router.routes.extend(router.routes)
    errors_for = Dialects(composition.dialects).errors_for
    add_error_handlers(app, errors_for)
    app.add_middleware(Guard, settings=_guard_settings(composition.settings, errors_for))
    if composition.settings.allowed_origins:
        # CORS is around the guard, so that a page can read why it was refused.
        app.add_middleware(
            Cors,
            origins=composition.settings.allowed_origins,
            headers=[*CORS_HEADERS, *(name for dialect in composition.dialects for name in dialect.cors_headers)],
            exposed=CORS_EXPOSED,
        )
    return app


def _guard_settings(settings: Settings, errors_for: Callable[[Scope], ErrorShape]) -> GuardSettings:
    def render(scope: Scope, problem: Problem) -> Response:
        return errors_for(scope).render(problem, scope)

    return GuardSettings(
        # An address that stands for all is the name of no host.
        hosts=host_names([*settings.allowed_hosts, *([] if is_every_address(settings.host) else [settings.host])]),
        origins=frozenset(settings.allowed_origins),
        max_json_bytes=settings.max_json_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        body_seconds=settings.body_timeout_seconds,
        cookie=SESSION_COOKIE,
        key_prefix=KEY_PREFIX,
        proxies=TrustedProxies.parse(settings.trusted_proxies),
        render=render,
    )
