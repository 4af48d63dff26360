"""Caches what requests read from the database again and again, until a commit may have changed it."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from finery.contracts.deployment import ServedModel
from finery.contracts.permissions import Principal
from finery.db import Database
from finery.domain import accounts
from finery.domain.accounts import Authenticated
from finery.http.admission import LOOK_UPS

SECONDS = 5.0
"""How long a value is kept at most, in case another process changes the database."""
MOST = 1000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class TableCache(Generic[Key, Value]):
    """Values by key, which are dropped when this process next commits a change to the tables that they were read from.

    It belongs to one event loop.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.monotonic,
        *,
        tables: frozenset[str] | None = None,
    ) -> None:
        """`tables` None stands for all."""
        self._database = database
        self._clock = clock
        self._tables = tables
        self._commits = -1
        self._values: dict[Key, tuple[float, Value]] = {}

    def find(self, key: Key) -> Value | None:
        """Returns the value; None when it is not known, or not any more."""
        if self._commits != self._database.commits(self._tables):
            return None
        until, value = self._values.get(key, (0.0, None))
        return value if self._clock() < until else None

    async def get_or_read(self, key: Key, read: Callable[[], Value]) -> Value:
        """Returns the value; an unknown one is read by `read` in a thread. What that raises is not kept."""
        found = self.find(key)
        if found is not None:
            return found
        commits, now = self._database.commits(self._tables), self._clock()
        found = await LOOK_UPS.run(read)
        self._keep(key, found, commits, now + SECONDS)
        return found

    def forget(self, key: Key) -> None:
        self._values.pop(key, None)

    def _keep(self, key: Key, value: Value, commits: int, until: float) -> None:
        """`commits` is the count from before the value was read, which may lack what was committed since."""
        if commits < self._commits:
            return
        if commits > self._commits or len(self._values) >= MOST:
            self._values.clear()
        self._commits = commits
        self._values[key] = (until, value)


@dataclass(frozen=True)
class RequestCache:
    has_accounts: TableCache[None, bool]
    callers: TableCache[Hashable, Authenticated]
    """By the hash of a key or of a session's token, and which of the two it is."""
    served: TableCache[tuple[str, Principal], ServedModel]
    """By model name and user."""

    @classmethod
    def of(cls, database: Database) -> Self:
        tables = accounts.TABLES
        return cls(TableCache(database, tables=tables), TableCache(database, tables=tables), TableCache(database))
