"""What must hold of a home and its database, at rest, after whatever was done to them (docs/reliability.md)."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from finery.contracts.events import EventType
from finery.contracts.layout import MARK_VARIABLE, HomeDirectory
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain.path_access import run_of_output
from finery.kit.home_identity import identify_home
from finery.kit.processes import Process, processes
from finery.models import AttemptRow, EngineLeaseRow, EventRow, LeaseRow, RunRow

TRACE = r"Traceback \(most recent call last\)"


Broken = dict[str, list[str]]
"""Who or what is wrong, by promise; nobody where it holds."""


def broken_promises(
    database: Database, home: Path, *, accepted: Collection[str] = (), cancelled: Collection[str] = ()
) -> Broken:
    """What is wrong in the records. Every run should have ended before.

    `accepted`: the ids of all runs that a client was promised, the client's own where it chose one. `cancelled`: of
    those whose cancel was answered with success while they had not ended.
    """
    with database.read() as session:
        found = list(session.scalars(select(RunRow)))
        return {
            **_lost_or_doubled(found, accepted, cancelled),
            **_broken_histories(session, found),
            "lease left": list(session.scalars(select(LeaseRow.device)))
            + list(session.scalars(select(EngineLeaseRow.deployment_id))),
            "live attempt left": _attempts(session, AttemptRow.live_run.is_not(None)),
            "attempt without an end": _attempts(session, AttemptRow.finished_at.is_(None)),
            "a model under another run's name": [row.id for row in found if _is_someone_elses(row, found, home)],
        }


def broken_log(log: Path, *, most_lines: int | None = None) -> Broken:
    """Traces in what the server said, and more lines than a fault is worth."""
    text = log.read_text(errors="replace")
    lines = text.count("\n")
    return {
        "trace in the log": [text[max(0, at.start() - 1000) : at.start() + 4000] for at in re.finditer(TRACE, text)],
        "a log that is too long": [f"{lines} lines, at last: {text[-3000:]}"]
        if most_lines is not None and lines > most_lines
        else [],
    }


def processes_of(home: Path) -> list[Process]:
    """Shims, trainers, engines and all that they started, by the mark in their environment; not the server."""
    home_id = identify_home(HomeDirectory(home).state)
    starts = tuple(f"{MARK_VARIABLE}={actor}{home_id}/".encode() for actor in ("", "shim:"))
    return [each for each in processes() if any(part.startswith(starts) for part in _environment(each.pid))]


def _environment(pid: int) -> list[bytes]:
    """Empty for a dead process, and for one of another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _lost_or_doubled(found: list[RunRow], accepted: Collection[str], cancelled: Collection[str]) -> Broken:
    status_of = {row.id: row.status for row in found}
    known = {*status_of, *(row.client_id for row in found)}
    keys = Counter((row.source, row.idempotency_key) for row in found if row.idempotency_key is not None)
    return {
        "accepted, but not there": [run_id for run_id in accepted if run_id not in known],
        "promised to two clients": [run_id for run_id, times in Counter(accepted).items() if times > 1],
        "twice for one Idempotency-Key": [str(key) for key, times in keys.items() if times > 1],
        "never ended": [f"{row.id} is {row.status}" for row in found if not RunStatus(row.status).is_finished],
        "ended before it began": [row.id for row in found if not _is_in_order(row)],
        "a cancel that was lost": [run_id for run_id in cancelled if status_of.get(run_id) != RunStatus.CANCELLED],
    }


def _is_in_order(row: RunRow) -> bool:
    """Whatever became of the clock meanwhile."""
    times = [at for at in (row.created_at, row.started_at, row.finished_at) if at is not None]
    return times == sorted(times)


def _broken_histories(session: Session, found: list[RunRow]) -> Broken:
    """Numbers without a gap, one terminal event, nothing after it, and it tells the run's status."""
    events: dict[int, list[EventRow]] = defaultdict(list)
    for event in session.scalars(select(EventRow).order_by(EventRow.run_number, EventRow.sequence)):
        events[event.run_number].append(event)
    gaps, ends, after = [], [], []
    for row in found:
        told = events[row.number]
        numbers = [event.sequence for event in told]
        if numbers != list(range(1, len(numbers) + 1)) or row.last_sequence != len(numbers):
            gaps.append(row.id)
        if [event.data["to"] for event in told if _is_end(event)] != [row.status]:
            ends.append(row.id)
        if told and not _is_end(told[-1]):
            after.append(row.id)
    return {
        "gap or repeat in the events' numbers": gaps,
        "not exactly one terminal event": ends,
        "an event after the terminal one": after,
    }


def _is_end(event: EventRow) -> bool:
    return event.type == EventType.STATUS and RunStatus(event.data["to"]).is_finished


def _attempts(session: Session, are_wrong: ColumnElement[bool]) -> list[str]:
    """Their runs."""
    query = select(RunRow.id).join(AttemptRow, AttemptRow.run_number == RunRow.number)
    return list(session.scalars(query.where(are_wrong)))


def _is_someone_elses(row: RunRow, found: list[RunRow], home: Path) -> bool:
    """Whether a run that succeeded shares its folder with nobody, and yet another one's model lies there."""
    if row.output_dir is None or row.status != RunStatus.SUCCEEDED:
        return False
    sharers = {other.id for other in found if other.output_dir == row.output_dir}
    maker = run_of_output(home / row.output_dir)
    return maker is not None and maker not in sharers
