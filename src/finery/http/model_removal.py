"""Deletes a run's model: first from the database, then the files, then the note of them."""

from collections.abc import Callable

from sqlalchemy.orm import Session

from finery.domain.runs import output_removal
from finery.domain.runs.output_removal import ForgottenOutput
from finery.http.session import Transactions, transact


def remove_model(transactions: Transactions, forget: Callable[[Session], ForgottenOutput | None]) -> None:
    """Raises what `forget` raises. It is runs.forget_output, for the run that the request is about."""
    with transactions.begin() as session:
        forgotten = forget(session)
    # After a crash in between, the forgotten output is still on record, and its files are removed later.
    if forgotten is not None:
        output_removal.remove_files(forgotten)
        transact(transactions.services, lambda session: output_removal.finish_removal(session, forgotten))
