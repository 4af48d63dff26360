"""What must hold of a home and its database after whatever was done to them (../RELIABILITY: promises)."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import func, select

from finery.contracts.events import EventType
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Run, RunFilter
from finery.contracts.status import FINISHED, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.models import AttemptRow, LeaseRow

MANY = 100_000


def broken_promises(database: Database, accepted: Iterable[str]) -> dict[str, object]:
    """What is wrong, by promise; empty when all hold. `accepted`: the ids of all runs that a client was promised."""
    with database.read() as session:
        found = runs.list_page(session, RunFilter(), LOCAL_ADMINISTRATOR, limit=MANY).runs
        leases = session.scalar(select(func.count()).select_from(LeaseRow)) or 0
        live = session.scalar(select(func.count()).select_from(AttemptRow).where(AttemptRow.live_run.is_not(None))) or 0
    alive = sum(run.status.is_live for run in found)
    known = {run.id for run in found}
    wrong = {
        "accepted, but not there": [run_id for run_id in accepted if run_id not in known],
        "there twice": [run_id for run_id, count in Counter(run.id for run in found).items() if count > 1],
        "live attempts without a live run": max(0, live - alive),
        "leases without a live run": leases if not alive else 0,
        **_events(database, found),
    }
    return {promise: what for promise, what in wrong.items() if what}


def _events(database: Database, found: list[Run]) -> dict[str, object]:
    gaps, ends = [], []
    for run in found:
        with database.read() as session:
            events = runs.list_events(session, run.id, LOCAL_ADMINISTRATOR, limit=MANY)
        if [event.sequence for event in events] != list(range(1, len(events) + 1)):
            gaps.append(run.id)
        last = sum(one.type is EventType.STATUS and RunStatus(one.data["to"]).is_finished for one in events)
        if last != (1 if run.status in FINISHED else 0):
            ends.append(run.id)
    return {"a gap in the events' numbers": gaps, "not exactly one terminal event": ends}
