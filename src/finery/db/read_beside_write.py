"""A look at the database in the middle of a transaction that is to write."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session


@contextmanager
def read_beside_write(session: Session) -> Iterator[Session]:
    """A session of its own, which ends with the block: the caller's transaction, and with it SQLite's only write lock,
    is not to begin before a long look. What changes between this look and that transaction is for the caller to find.
    """
    with Session(session.get_bind().execution_options(writing=False)) as reading:
        yield reading
