"""Makes a retry wait for its first request, which may not be committed yet when the retry arrives."""

from threading import Event, Lock

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from finery.domain.errors import DomainError, ErrorKind

PATIENCE_SECONDS = 30.0


class StillWorkedOn(DomainError):
    kind = ErrorKind.UNAVAILABLE
    code = "still_worked_on"

    def __init__(self) -> None:
        super().__init__("this request was sent before and is still being worked on; try again in a moment")


_lock = Lock()
_in_flight: dict[str, list[Event]] = {}


def wait_for_first(session: Session, key: str, *, is_retry: bool) -> None:
    """Register `key` until the session's transaction ends; a retry waits for the requests that registered it before.

    These are committed or rolled back then, so that a query finds what they created. A request waits only for earlier
    ones, so that no two wait for each other. Raises StillWorkedOn.
    """
    ended = Event()
    with _lock:
        earlier = list(_in_flight.setdefault(key, []))
        _in_flight[key].append(ended)
    _unregister_at_end(session, key, ended)
    if is_retry and not all(request.wait(PATIENCE_SECONDS) for request in earlier):
        raise StillWorkedOn


def _unregister_at_end(session: Session, key: str, ended: Event) -> None:
    # There may be no transaction yet: it begins with the first statement.
    outermost = session.get_transaction() or session.begin()

    def unregister(_: Session, transaction: SessionTransaction) -> None:
        if transaction is not outermost:
            return
        with _lock:
            _in_flight[key].remove(ended)
            if not _in_flight[key]:
                del _in_flight[key]
        ended.set()

    # The listener goes with its session, which serves one request.
    event.listen(session, "after_transaction_end", unregister)
