"""Checks for load balancers whether the server can serve requests: the database answers, and no write hangs."""

import asyncio

import anyio
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from finery.db import Database
from finery.http.problems import RequestRefused, unavailable

LOOK_SECONDS = 3.0
"""How long the database may take for the smallest of queries."""
STUCK_SECONDS = 15.0
"""A transaction takes milliseconds; one that has written for so long holds all others up."""


class Readiness:
    """Shares one look at the database among all who ask at the same time. It belongs to one event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._look: asyncio.Task[bool] | None = None

    async def check(self) -> None:
        """Raises RequestRefused (503) while the database does not answer, or a transaction that writes hangs."""
        age = self._database.longest_write
        if age > STUCK_SECONDS:
            raise RequestRefused(unavailable(f"a transaction has held the database for {age:.0f} seconds"))
        # Later requests wait for a look that hangs, too: with a thread each they would pile up.
        if self._look is None or self._look.done():
            one_thread = anyio.CapacityLimiter(1)
            self._look = asyncio.create_task(anyio.to_thread.run_sync(self._select, limiter=one_thread))
        # A local copy: when this coroutine goes on, a later one may have begun the next look.
        look = self._look
        done, _ = await asyncio.wait({look}, timeout=LOOK_SECONDS)
        if not done or not look.result():
            raise RequestRefused(unavailable("the database does not answer"))

    def _select(self) -> bool:
        try:
            with self._database.read() as session:
                session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True
