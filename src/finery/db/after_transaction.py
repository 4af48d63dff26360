"""Callbacks for the end of a transaction, which remove or restore files.

They run in the thread of the transaction, but after it, so that no other writer waits for files.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

AFTER_TRANSACTION = "endings"
"""The key in the `info` of a session that writes."""


@dataclass
class AfterTransaction:
    committed: list[Callable[[], None]] = field(default_factory=list)
    rolled_back: list[Callable[[], None]] = field(default_factory=list)


def at_end(session: Session, *, committed: Callable[[], None], rolled_back: Callable[[], None]) -> None:
    """Have one of the two called when the transaction of `Database.write` has ended.

    A kill may come before it, so that the next start must find what is left to do.
    """
    endings: AfterTransaction = session.info[AFTER_TRANSACTION]
    endings.committed.append(committed)
    endings.rolled_back.append(rolled_back)


def carry_out(work: list[Callable[[], None]]) -> None:
    """Call the callbacks. An OSError is logged only, since the transaction has ended whatever becomes of the files."""
    for callback in work:
        try:
            callback()
        except OSError as error:
            log.warning("files of a change could not be seen to: %s", error)
