"""What must hold of a home and its database, at rest, after whatever was done to them (docs/reliability.md)."""

from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finery.contracts.events import EventType
from finery.contracts.layout import MARK_VARIABLE, HomeDirectory
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain.places import maker_of
from finery.kit.home_identity import identify_home
from finery.kit.processes import Process, processes
from finery.models import AttemptRow, EventRow, LeaseRow, RunRow

TRACE = "Traceback (most recent call last)"


def broken_promises(
    database: Database, home: Path, *, accepted: Collection[str] = (), cancelled: Collection[str] = ()
) -> dict[str, object]:
    """What is wrong, by promise; empty when all hold. Every run has to have ended before.

    `accepted`: the ids of all runs that a client was promised, the client's own where it chose one. `cancelled`: of
    those whose cancel was answered with success while they had not ended.
    """
    with database.read() as session:
        found = list(session.scalars(select(RunRow)))
        wrong = {
            **_lost_or_doubled(found, accepted, cancelled),
            **_broken_histories(session, found),
            "live attempts": session.scalar(select(func.count()).where(AttemptRow.live_run.is_not(None))),
            "attempts without an end": _open_attempts(session),
            "leases": session.scalar(select(func.count()).select_from(LeaseRow)),
        }
    wrong["processes"] = [f"{each.pid} {each.state}" for each in processes_of(home)]
    wrong["a model under another run's name"] = [row.id for row in found if _is_someone_elses(row, found, home)]
    return {promise: what for promise, what in wrong.items() if what}


def broken_log(log: Path, *, most_lines: int) -> dict[str, object]:
    """A trace in what the server said, or more lines than a fault is worth."""
    text = log.read_text(errors="replace")
    wrong: dict[str, object] = {}
    if TRACE in text:
        start = max(0, text.index(TRACE) - 1000)
        wrong["a trace in the log"] = text[start : start + 5000]
    if (lines := text.count("\n")) > most_lines:
        wrong[f"{lines} lines in the log"] = text[-3000:]
    return wrong


def processes_of(home: Path) -> list[Process]:
    """Shims, trainers, engines and all that they started, by the mark in their environment; not the server."""
    home_id = identify_home(HomeDirectory(home).state)
    starts = tuple(f"{MARK_VARIABLE}={who}{home_id}/".encode() for who in ("", "shim:"))
    return [each for each in processes() if any(part.startswith(starts) for part in _environment(each.pid))]


def _environment(pid: int) -> list[bytes]:
    """Empty for a dead process, and for one of another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _lost_or_doubled(found: list[RunRow], accepted: Collection[str], cancelled: Collection[str]) -> dict[str, object]:
    status_of = {row.id: row.status for row in found}
    known = {*status_of, *(row.client_id for row in found)}
    keys = Counter((row.source, row.idempotency_key) for row in found if row.idempotency_key is not None)
    return {
        "accepted, but not there": [run_id for run_id in accepted if run_id not in known],
        "promised to two clients": [run_id for run_id, times in Counter(accepted).items() if times > 1],
        "twice for one Idempotency-Key": [key for key, times in keys.items() if times > 1],
        "not ended": [row.id for row in found if not RunStatus(row.status).is_finished],
        "a cancel that was lost": [run_id for run_id in cancelled if status_of.get(run_id) != RunStatus.CANCELLED],
    }


def _broken_histories(session: Session, found: list[RunRow]) -> dict[str, object]:
    """Numbers without a gap, one terminal event, none of a status after it, and that one tells the run's status."""
    sequences: dict[int, list[int]] = defaultdict(list)
    statuses: dict[int, list[str]] = defaultdict(list)
    for event in session.scalars(select(EventRow).order_by(EventRow.run_number, EventRow.sequence)):
        sequences[event.run_number].append(event.sequence)
        if event.type == EventType.STATUS:
            statuses[event.run_number].append(event.data["to"])
    gaps, ends = [], []
    for row in found:
        numbers, told = sequences[row.number], statuses[row.number]
        if numbers != list(range(1, len(numbers) + 1)) or row.last_sequence != len(numbers):
            gaps.append(row.id)
        if [each for each in told if RunStatus(each).is_finished] != [row.status] or told[-1] != row.status:
            ends.append(row.id)
    return {"a gap in the events' numbers": gaps, "not exactly one terminal event": ends}


def _open_attempts(session: Session) -> list[str]:
    """Attempts of a finished run that nobody has ended."""
    query = select(RunRow.id).join(AttemptRow, AttemptRow.run_number == RunRow.number)
    return list(session.scalars(query.where(AttemptRow.finished_at.is_(None))))


def _is_someone_elses(row: RunRow, found: list[RunRow], home: Path) -> bool:
    """Whether a run that succeeded shares its folder with nobody, and yet another one's model lies there."""
    if row.output_dir is None or row.status != RunStatus.SUCCEEDED:
        return False
    sharers = {other.id for other in found if other.output_dir == row.output_dir}
    maker = maker_of(home / row.output_dir)
    return maker is not None and maker not in sharers
