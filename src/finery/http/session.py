"""One request, one transaction, committed before the response is sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, TypeVar

import anyio
from fastapi import Depends
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from finery.contracts.permissions import Principal
from finery.http.auditing import note_change
from finery.http.identity import CurrentUser
from finery.http.services import CurrentServices, Services, current_services
from finery.kit.failpoints import failpoint

Result = TypeVar("Result")


@dataclass(frozen=True)
class Changes:
    """Transactions of one request, for routes that do more than a transaction should wait for."""

    connection: HTTPConnection
    services: Services
    user: Principal

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """The audit log's entry is part of the transaction."""
        with transaction(self.services) as session:
            yield session
            note_change(session, self.connection, self.services, self.user)

    async def make(self, work: Callable[[Session], Result]) -> Result:
        return await anyio.to_thread.run_sync(self._make, work)

    def _make(self, work: Callable[[Session], Result]) -> Result:
        with self.begin() as session:
            return work(session)


async def current_changes(connection: HTTPConnection, user: CurrentUser) -> Changes:
    return Changes(connection, await current_services(connection), user)


CurrentChanges = Annotated[Changes, Depends(current_changes)]


def write_session(changes: CurrentChanges) -> Iterator[Session]:
    with changes.begin() as session:
        yield session


def read_session(services: CurrentServices) -> Iterator[Session]:
    with services.database.read() as session:
        yield session


@contextmanager
def transaction(services: Services) -> Iterator[Session]:
    """Committed at the end of the block; then everybody who waits for a change is woken."""
    with services.database.write() as session:
        yield session
        failpoint("runs.before_commit")
    failpoint("runs.accepted")
    services.pulse.notify()


def transact(services: Services, work: Callable[[Session], Result]) -> Result:
    """For the few routes whose answer waits for what others do with the committed change."""
    with transaction(services) as session:
        return work(session)


# With the default scope FastAPI would commit after the response was sent: an accepted run could be lost.
WriteSession = Annotated[Session, Depends(write_session, scope="function")]
ReadSession = Annotated[Session, Depends(read_session, scope="function")]
