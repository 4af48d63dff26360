"""Requests for runs that are being worked on: a retry may arrive before the first of them is committed."""

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
    """Hold `key` until the end of the session's transaction; a retry first waits for those who hold it already.

    They have been committed or rolled back then, so that a look into the database finds what they made. Nobody waits
    for those who came later, so none wait for each other. Raises StillWorkedOn.
    """
    ended = Event()
    with _lock:
        earlier = list(_in_flight.setdefault(key, []))
        _in_flight[key].append(ended)
    _at_end(session, key, ended)
    if is_retry and not all(one.wait(PATIENCE_SECONDS) for one in earlier):
        raise StillWorkedOn


def _at_end(session: Session, key: str, ended: Event) -> None:
    # There may be none yet: it begins with the first statement.
    outermost = session.get_transaction() or session.begin()

    def let_go(_: Session, transaction: SessionTransaction) -> None:
        if transaction is not outermost:
            return
        with _lock:
            _in_flight[key].remove(ended)
            if not _in_flight[key]:
                del _in_flight[key]
        ended.set()

    # The listener goes with its session, which serves one request.
    event.listen(session, "after_transaction_end", let_go)
