"""Database sessions of routes: one transaction per request, begun and committed in one thread before the response."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin

from fastapi import Depends
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from finery.contracts.permissions import Principal
from finery.http.admission import CURVES, READS, SUBMISSIONS, WRITES, Lane, in_thread
from finery.http.auditing import audit_change
from finery.http.identity import CurrentUser
from finery.http.services import CurrentServices, Services, current_services
from finery.kit.failpoints import failpoint

Result = TypeVar("Result")
Endpoint = Callable[..., Any]


@dataclass(frozen=True)
class Transactions:
    """Begins transactions of a request, for routes with work that a transaction must not wait for."""

    connection: HTTPConnection
    services: Services
    user: Principal

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Begin a transaction; the audit log's entry is part of it."""
        with transaction(self.services) as session:
            yield session
            audit_change(session, self.connection, self.services, self.user)

    async def run(self, work: Callable[[Session], Result], lane: Lane = WRITES) -> Result:
        def carried_out() -> Result:
            with self.begin() as session:
                return work(session)

        return await lane.run(carried_out)


async def current_transactions(connection: HTTPConnection, user: CurrentUser) -> Transactions:
    return Transactions(connection, await current_services(connection), user)


CurrentTransactions = Annotated[Transactions, Depends(current_transactions)]


@contextmanager
def transaction(services: Services) -> Iterator[Session]:
    """A transaction that is committed at the end of the block."""
    with services.database.write() as session:
        yield session
        failpoint("runs.before_commit")
    failpoint("runs.accepted")


def transact(services: Services, work: Callable[[Session], Result]) -> Result:
    """Return the result of `work` in a transaction, for routes whose answer waits for what follows from the commit."""
    with transaction(services) as session:
        return work(session)


@dataclass(frozen=True)
class SessionOf:
    """Marks a route's parameter as a session, and says in which lane the route is worked on."""

    lane: Lane
    begins: Any
    """An annotated dependency whose value `open` takes."""
    open: Callable[[Any], AbstractContextManager[Session]]
    is_gated: bool = True
    """Whether the request waits for its place before its body is parsed, which takes time, too. False where the body is
    a file, since a slow client must not hold a place."""


ReadSession = Annotated[Session, SessionOf(READS, CurrentServices, lambda services: services.database.read())]
CurveSession = Annotated[Session, SessionOf(CURVES, CurrentServices, lambda services: services.database.read())]
"""For a route that reads all metrics of a run."""
WriteSession = Annotated[Session, SessionOf(WRITES, CurrentTransactions, Transactions.begin)]
SubmitSession = Annotated[Session, SessionOf(SUBMISSIONS, CurrentTransactions, Transactions.begin)]
"""For a route that looks at data and models before it writes."""
UploadSession = Annotated[Session, SessionOf(WRITES, CurrentTransactions, Transactions.begin, is_gated=False)]
"""For a route that receives a file before it writes."""


def session_parameter(endpoint: Endpoint) -> tuple[str, SessionOf] | None:
    """Returns name and mark of the parameter of a route's function that gets the session."""
    annotations: dict[str, Any] = inspect.get_annotations(endpoint)
    for name, annotation in annotations.items():
        for mark in get_args(annotation)[1:] if get_origin(annotation) is Annotated else ():
            if isinstance(mark, SessionOf):
                return name, mark
    return None


def with_session_in_thread(endpoint: Endpoint) -> Endpoint:
    """Returns the function for FastAPI to call in place of a route's: its session begins and ends in its own thread.

    A dependency with `yield` would need a thread three times from one pool. Under a burst, requests that wait to begin
    would hold every thread, and those that must commit would get none: a deadlock.
    """
    parameter = session_parameter(endpoint)
    if parameter is None:
        return endpoint
    name, mark = parameter

    @functools.wraps(endpoint)
    async def run(**arguments: Any) -> Any:
        begun = arguments.pop(name)

        def work() -> Any:
            with mark.open(begun) as session:
                return endpoint(**arguments, **{name: session})

        return await (in_thread(work) if mark.is_gated else mark.lane.run(work))

    signature = inspect.signature(endpoint)
    parameters = [
        each.replace(annotation=mark.begins) if each.name == name else each for each in signature.parameters.values()
    ]
    # FastAPI injects by the signature: in place of the session it passes what the session is begun with.
    vars(run)["__signature__"] = signature.replace(parameters=parameters)
    return run


def lane_of(endpoint: Endpoint) -> Lane | None:
    """Returns the lane in which requests to the route wait before their body is parsed; None: they do not wait."""
    found = session_parameter(endpoint)
    return found[1].lane if found is not None and found[1].is_gated else None
