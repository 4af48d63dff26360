"""The app: `uvicorn --factory finery.app.asgi:create_app`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import Scope

from finery import __version__
from finery.api import jobs, native
from finery.api.jobs.dialect import JOBS
from finery.api.native.dialect import NATIVE, PREFIX
from finery.app.composition import Composition
from finery.app.settings import Settings, load_settings
from finery.http import docs
from finery.http.errors import DialectTable, add_error_handlers
from finery.http.guard import Guard, GuardSettings, host_names
from finery.http.latencies import LatencyMiddleware
from finery.http.problems import Problem

DESCRIPTION = "The self-hosted server for fine-tuning: put data in, get a trained, tested, served model out."
DIALECTS = DialectTable((("/healthz", NATIVE), ("/metrics", NATIVE), (PREFIX, NATIVE), ("", JOBS)))


def create_app(settings: Settings | None = None) -> FastAPI:
    return build_app(Composition(settings or load_settings()))


def build_app(composition: Composition) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(composition.start)
        services = composition.services
        services.waking.attach()
        try:
            yield
        finally:
            services.streams.close()
            services.waking.detach()
            await services.engines.close()
            await asyncio.to_thread(composition.stop)

    app = FastAPI(
        title="Finery",
        description=DESCRIPTION,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.services = composition.services
    for router in (*native.ROUTERS, *jobs.ROUTERS, docs.router):
        app.include_router(router)
    add_error_handlers(app, DIALECTS)
    app.add_middleware(Guard, settings=_guard_settings(composition.settings))
    app.add_middleware(LatencyMiddleware, latencies=composition.services.latencies)
    return app


def _guard_settings(settings: Settings) -> GuardSettings:
    def render(scope: Scope, problem: Problem) -> Response:
        return DIALECTS.find(scope).render(problem)

    return GuardSettings(
        hosts=host_names(settings.allowed_hosts),
        origins=frozenset(settings.allowed_origins),
        max_json_bytes=settings.max_json_bytes,
        max_upload_bytes=settings.max_upload_bytes,
        render=render,
    )
