"""The services that routes use (database, streams, engines, caches, …). `app` makes them once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from finery.contracts.server_settings import SettingInForce
from finery.db import Database
from finery.domain.context import DomainContext
from finery.http.addresses import TrustedProxies
from finery.http.async_notifier import AsyncNotifier
from finery.http.engines import Engines
from finery.http.latencies import Latencies
from finery.http.rate_limits import RateLimits
from finery.http.readiness import Readiness
from finery.http.request_cache import RequestCache
from finery.http.streams import RunStreams
from finery.kit.log_lines import LogReader
from finery.kit.notifier import Notifier


@dataclass(frozen=True)
class Services:
    database: Database
    context: DomainContext
    notifier: Notifier
    async_notifier: AsyncNotifier
    streams: RunStreams
    engines: Engines
    cache: RequestCache
    logs: LogReader
    latencies: Latencies
    rate_limits: RateLimits
    readiness: Readiness
    proxies: TrustedProxies
    warm_start: Callable[[], str]
    """Returns whether trainings start warm now: `ready`, `starting`, `off`, or why not."""
    settings_in_force: Callable[[], list[SettingInForce]]
    """Returns the server's settings, without what is secret in them."""
    setup_token: Callable[[], str | None]
    """Returns the token that the setup of the first administrator needs; None: it needs none, on this machine only."""


async def current_services(connection: HTTPConnection) -> Services:
    services: Services = connection.app.state.services
    return services


async def current_context(connection: HTTPConnection) -> DomainContext:
    return (await current_services(connection)).context


CurrentServices = Annotated[Services, Depends(current_services)]
CurrentContext = Annotated[DomainContext, Depends(current_context)]
