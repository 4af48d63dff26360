"""A deleted run's files: set aside within its transaction, which takes an instant, and removed behind it.

A run directory may hold hundreds of gigabytes of checkpoints. While they are removed, nobody else is to wait.
"""

import shutil
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.layout import HomeDirectory
from finery.db.after_transaction import at_end
from finery.models import RunRow

ASIDE = ".deleted-"
"""Before the run's id: the name of its directory from then on."""


def remove_with(session: Session, run_id: str, home: HomeDirectory) -> None:
    """The run's directory and its log go when the transaction is committed, and stay when it is not."""
    _set_aside(home, run_id)
    at_end(session, committed=partial(_remove, home, run_id), rolled_back=partial(_bring_back, home, run_id))


def settle_removals(session: Session, home: HomeDirectory) -> None:
    """At a start: what a server that was killed did not come to."""
    for folder in (home.path / "runs").glob(f"{ASIDE}*"):
        run_id = folder.name.removeprefix(ASIDE)
        is_there = session.scalars(select(RunRow.number).where(RunRow.id == run_id)).first() is not None
        if is_there:
            _bring_back(home, run_id)
        else:
            _remove(home, run_id)


def _set_aside(home: HomeDirectory, run_id: str) -> None:
    directory = home.run(run_id).path
    if directory.exists():
        directory.rename(directory.with_name(f"{ASIDE}{run_id}"))


def _bring_back(home: HomeDirectory, run_id: str) -> None:
    directory = home.run(run_id).path
    aside = directory.with_name(f"{ASIDE}{run_id}")
    if aside.exists() and not directory.exists():
        aside.rename(directory)


def _remove(home: HomeDirectory, run_id: str) -> None:
    home.run_log(run_id).unlink(missing_ok=True)
    shutil.rmtree(home.run(run_id).path.with_name(f"{ASIDE}{run_id}"), ignore_errors=True)
