"""The app with something in it, and the one who asks: an account whose id and key no request can name."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from fastapi import FastAPI
from schemathesis.python.asgi import ASGIClient, shutdown_lifespans
from starlette.types import ASGIApp, Receive, Scope, Send

from finery.app.asgi import build_app
from finery.app.composition import Composition
from finery.app.settings import Settings
from finery.contracts.accounts import UserChanges
from finery.contracts.permissions import Level
from finery.domain import accounts
from finery.http.identity import SESSION_COOKIE
from finery.http.services import Services
from tests.builders import write_rows
from tests.domain.accounts import people
from tests.fuzz.objects import COPIES, Pools, accepted, furnish, words
from tests.http.accounts import BASE_URL, bearer, key_of_user
from tests.idle import IdleScheduler

SQLITE = "sqlite:///./training.db"
GUEST = "guest"
"""Logs in anew for each request that would end the session or change the password of the one who asks."""


WAITS = {
    "finery.http.engine_startup.LOAD_SECONDS": -1.0,
    "finery.http.engine_startup.SERVE_SECONDS": 0.05,
    "finery.http.engine_startup.LOOK_SECONDS": 0.02,
    "finery.http.webhook_testing.TIMEOUT_SECONDS": 0.0,
    "finery.http.webhook_testing.POLL_SECONDS": 0.02,
}
"""For what nothing will do here: an engine's start, a webhook's sending."""


@dataclass
class Caught:
    """The app as a server carries it. An error that got through was answered with a 500, and is kept here."""

    app: ASGIApp
    error: Exception | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.error = None
        try:
            await self.app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - the edge of the server: whatever a request may raise is looked for
            self.error = error


@dataclass(frozen=True)
class World:
    app: Caught
    document: dict[str, Any]
    client: requests.Session
    services: Services
    headers: dict[str, str]
    pools: Pools
    """By the name of a parameter of a path or header."""
    words: Pools
    """By the name of a field of a body or query."""
    accepted: dict[str, dict[str, Any]]
    """Bodies, by operation."""

    def headers_of_guest(self) -> dict[str, str]:
        session = people.log_in(self.services.database, GUEST)
        return {"Cookie": f"{SESSION_COOKIE}={session.token}"}


@contextmanager
def opened(level: Level, database_url: str = SQLITE) -> Iterator[World]:
    """Nothing carries runs out, no engine is started, and no route waits for one."""
    home = Path(tempfile.mkdtemp(prefix="finery-fuzz-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("finery.app.composition.Scheduler", IdleScheduler)
        for name, seconds in WAITS.items():
            patch.setattr(name, seconds)
        patch.setenv("TRAINING_DB_URL", database_url)
        app = build_app(Composition(Settings(home=home, warm_start="off", cpu_slots=2)))
        caught = Caught(app)
        try:
            with ASGIClient(caught, base_url=BASE_URL) as client:
                yield _furnished(app, caught, client, home, level)
        finally:
            shutdown_lifespans()
            shutil.rmtree(home, ignore_errors=True)


def _furnished(app: FastAPI, caught: Caught, client: ASGIClient, home: Path, level: Level) -> World:
    services: Services = app.state.services
    database = services.database
    write_rows(home)
    people.first_admin(database)
    people.user(database, GUEST, level)
    # Whoever asks could make things once, so that a viewer too has some of their own.
    asking = people.user(database, "asking", Level.RESEARCHER, password=None)
    headers = bearer(key_of_user(database, asking.id, Level.RESEARCHER))
    pools = furnish(partial(client.request, headers=headers), database, home)
    pools["user_id"] = [people.user(database, f"spare{n}", password=None).id for n in range(COPIES)]
    with database.write() as session:
        accounts.update_user(session, asking.id, UserChanges(levels=[level]))
    return World(caught, app.openapi(), client, services, headers, pools, words(pools), accepted(pools))
