"""Reads in a session of its own before a transaction that writes begins."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session


@contextmanager
def read_beside_write(session: Session) -> Iterator[Session]:
    """Yield a session that ends with the block.

    The caller's transaction, and with it SQLite's only write lock, should not begin before something that takes long.
    The caller must find out what changes between this session and that transaction.
    """
    with Session(session.get_bind().execution_options(writing=False)) as reading:
        yield reading
