"""One request, one transaction, committed before the response is sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

from fastapi import Depends
from sqlalchemy.orm import Session

from finery.http.services import CurrentServices, Services
from finery.kit.failpoints import failpoint

Result = TypeVar("Result")


def write_session(services: CurrentServices) -> Iterator[Session]:
    with transaction(services) as session:
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
