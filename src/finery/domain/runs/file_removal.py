"""Removes the files of a deleted run: they are renamed within its transaction, and removed after it.

A run directory may hold hundreds of gigabytes of checkpoints, and no other transaction should wait for their removal.
"""

import shutil
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.layout import HomeDirectory
from finery.db.after_transaction import at_end
from finery.models import RunRow

ASIDE = ".deleted-"
"""With the run's id it makes the directory's name until it is removed."""


def remove_after_commit(session: Session, run_id: str, home: HomeDirectory) -> None:
    """Remove the run's directory and its log once the transaction is committed; keep them when it is rolled back."""
    directory = home.run(run_id).path
    if directory.exists():
        directory.rename(directory.with_name(f"{ASIDE}{run_id}"))
    at_end(session, committed=partial(_remove, home, run_id), rolled_back=partial(_bring_back, home, run_id))


def finish_removals(session: Session, home: HomeDirectory) -> None:
    """Finish, at a start, the removals that a killed server left half done."""
    for folder in (home.path / "runs").glob(f"{ASIDE}*"):
        run_id = folder.name.removeprefix(ASIDE)
        is_there = session.scalars(select(RunRow.number).where(RunRow.id == run_id)).first() is not None
        if is_there:
            _bring_back(home, run_id)
        else:
            _remove(home, run_id)


def _bring_back(home: HomeDirectory, run_id: str) -> None:
    directory = home.run(run_id).path
    aside = directory.with_name(f"{ASIDE}{run_id}")
    if aside.exists() and not directory.exists():
        aside.rename(directory)


def _remove(home: HomeDirectory, run_id: str) -> None:
    home.run_log(run_id).unlink(missing_ok=True)
    shutil.rmtree(home.run(run_id).path.with_name(f"{ASIDE}{run_id}"), ignore_errors=True)
