"""What is to be done when a transaction has ended: files that follow from it.

It is done in the thread of the transaction, but behind it: whoever waits for a turn to write does not wait for files.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

AFTER_TRANSACTION = "endings"
"""In the `info` of a session that writes."""


@dataclass
class AfterTransaction:
    committed: list[Callable[[], None]] = field(default_factory=list)
    rolled_back: list[Callable[[], None]] = field(default_factory=list)


def at_end(session: Session, *, committed: Callable[[], None], rolled_back: Callable[[], None]) -> None:
    """Have one of the two called when the transaction of `Database.write` has ended.

    Neither may be needed: a kill may come first, so that the next start has to find what is left to do.
    """
    endings: AfterTransaction = session.info[AFTER_TRANSACTION]
    endings.committed.append(committed)
    endings.rolled_back.append(rolled_back)


def carry_out(work: list[Callable[[], None]]) -> None:
    """What fails is logged: the transaction has ended, whatever becomes of the files."""
    for each in work:
        try:
            each()
        except OSError as error:
            log.warning("files of a change could not be seen to: %s", error)
