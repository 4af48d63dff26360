"""Resumes runs: a paused one is queued again; of one that has ended a new run begins from its last checkpoint."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from finery.contracts.layout import RunDirectory
from finery.contracts.model_folder import BASE_RECORD
from finery.contracts.permissions import Principal
from finery.contracts.recipes import recipe_of_run
from finery.contracts.run import NewRun, Resources, Run
from finery.contracts.status import FINISHED, Intent, RunStatus
from finery.db import read_beside_write
from finery.domain.context import DomainContext
from finery.domain.ownership import NotYours, may_write_run, runs_visible_to
from finery.domain.runs.errors import IntentRefused, NotControllable, NothingToResume
from finery.domain.runs.mapping import run_of
from finery.domain.runs.queries import find_row, lock_row
from finery.domain.runs.service import create
from finery.domain.runs.transitions import EXTERNAL, change_status, withdraw_intent
from finery.kit.files import sync_directory
from finery.kit.translatable import Translatable
from finery.models import RunRow

_PREFIXED = re.compile(r"(.+-)[0-9a-f]{24}")


def resume(session: Session, run_id: str, actor: Principal, context: DomainContext) -> Run:
    """Queue a paused run again, let one that is still pausing go on, or accept a successor of one that has ended.

    The successor has the same configuration and data, and begins from the last complete checkpoint. While a successor
    is unfinished, it is the answer to further requests.

    Raises RunNotFound, NotYours, NotControllable, IntentRefused while it is under way, NothingToResume, and what
    `create` raises of the new run.
    """
    with read_beside_write(session) as reading:
        successor = _successor(reading, find_row(reading, run_id, actor), actor, context)
    if successor is None:
        return _queue_again(session, run_id, actor)
    return successor if isinstance(successor, Run) else _accept(session, successor, actor, context)


@dataclass(frozen=True)
class _Successor:
    new: NewRun
    requested: dict[str, object]
    """The configuration in the request of the run before."""
    before: RunDirectory
    checkpoint: Path


def _queue_again(session: Session, run_id: str, actor: Principal) -> Run:
    row = lock_row(session, run_id, actor)
    if row.status != RunStatus.PAUSED:
        if row.intent != Intent.PAUSE:
            state = "being cancelled" if row.intent == Intent.CANCEL else f"{row.status}"
            raise IntentRefused(run_id, f"is {state}; only a run that is paused or has ended can be resumed")
        # A trainer that has heard of it already pauses, and without this intent its run is queued again.
        withdraw_intent(session, row)
        return run_of(row)
    change_status(session, row, RunStatus.QUEUED)
    # A run that another home had was paused with a reason and a message.
    row.reason = row.error = None
    return run_of(row)


def _successor(reading: Session, row: RunRow, actor: Principal, context: DomainContext) -> _Successor | Run | None:
    """Return the successor to accept for an ended run, or an unfinished one. None: the run has not ended."""
    if not may_write_run(actor, row.owner_id):
        raise NotYours(Translatable("run"), row.id)
    if row.recipe == EXTERNAL:
        raise NotControllable(row.id)
    if not RunStatus(row.status).is_finished:
        return None
    # The key is made before the query for an unfinished successor: one that is committed between the two is found by
    # that query. The other way round it would count as an earlier one that has ended, and a second would be accepted.
    key = _idempotency_key(reading, row)
    # A private successor of another user is no answer.
    query = select(RunRow).where(RunRow.resumed_from == row.id, RunRow.status.not_in(FINISHED), runs_visible_to(actor))
    unfinished = reading.scalars(query.order_by(RunRow.number.desc()).limit(1)).one_or_none()
    if unfinished is not None:
        return run_of(unfinished)
    if not recipe_of_run(row.recipe).resumable:
        raise NothingToResume(row.id, f"is a {row.recipe}, which would begin anew; submit it again instead")
    before = context.home.run(row.id)
    checkpoint = before.last_checkpoint()
    if checkpoint is None:
        raise NothingToResume(row.id, "left no whole checkpoint to go on from; submit it again instead")
    return _Successor(_request(row, key), dict(row.requested), before, checkpoint)


def _idempotency_key(reading: Session, row: RunRow) -> str:
    """Return a key that is the same for concurrent requests, so that one run answers all, and another after that."""
    # A count of the successors would fall when one is deleted, and the key would find an ended one. The arrow is in no
    # key of a client, since the characters of a header end at U+00FF.
    last = reading.scalar(select(func.max(RunRow.number)).where(RunRow.resumed_from == row.id))
    return f"resume {row.id} → {last or 0}"


def _request(row: RunRow, key: str) -> NewRun:
    # The validated configuration names stored data with their version; the requested one may not.
    prefix = _PREFIXED.fullmatch(row.id)
    return NewRun(
        id_prefix=prefix[1] if prefix else "",
        source=row.source,
        recipe=row.recipe,
        config=row.config,
        name=row.name,
        labels=row.labels,
        priority=row.priority,
        resources=Resources(gpus=row.gpus_requested, cpu_slots=max(1, row.cpu_slots)),
        time_limit_seconds=row.time_limit_seconds,
        shared=row.shared,
        idempotency_key=key,
        resumed_from=row.id,
        sweep_id=row.sweep_id,
    )


def _accept(session: Session, successor: _Successor, actor: Principal, context: DomainContext) -> Run:
    run = create(session, successor.new, context, actor)
    directory = context.home.run(run.uid)
    if directory.path.exists():
        # A concurrent request was first, and this is its run.
        return run
    # What is left is the commit; when that fails, nothing refers to the directory.
    event.listen(session, "after_rollback", lambda _: shutil.rmtree(directory.path, ignore_errors=True), once=True)
    _lend(successor, directory)
    row = lock_row(session, run.uid, actor)
    row.requested = dict(successor.requested)
    return run_of(row)


def _lend(successor: _Successor, directory: RunDirectory) -> None:
    """Copy the checkpoint before the request is answered, so that the former run may be deleted from then on."""
    partial = directory.checkpoints / ".lent"
    directory.checkpoints.mkdir(parents=True)
    try:
        shutil.copytree(successor.checkpoint, partial, copy_function=_link)
    except (FileNotFoundError, shutil.Error) as error:
        raise NothingToResume(successor.new.resumed_from or "", "has lost its checkpoint just now") from error
    for name in (successor.before.batch, successor.before.data, successor.before.path / BASE_RECORD):
        if name.exists():
            shutil.copy2(name, directory.path)
    for folder, _, _ in os.walk(partial):
        sync_directory(Path(folder))
    os.rename(partial, directory.checkpoints / successor.checkpoint.name)
    sync_directory(directory.checkpoints)
    sync_directory(directory.path)
    sync_directory(directory.path.parent)


def _link(source: str, target: str) -> None:
    # Files of a checkpoint are replaced, never changed, so that two runs may share them.
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
