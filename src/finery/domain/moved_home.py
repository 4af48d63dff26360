"""A database that was served from another home: what is live in it has its processes there, and is left alone here."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from finery.domain.deployments import other_homes as deployments_elsewhere
from finery.domain.runs import other_homes as runs_elsewhere
from finery.domain.server_lease import lock_settled_home


@dataclass(frozen=True)
class Settled:
    is_change: bool = False
    """Whether another home had the database, so that what this one runs may be live no more."""
    runs_held: int = 0
    deployments_ended: int = 0
    runs_resumed: int = 0


def settle_home(session: Session, home_id: str, *, take_over: bool) -> Settled:
    """Hold the runs and end the deployments of the home that served the database before, if that was another.

    `take_over`: nothing of that home runs any more; what is held, now or since an earlier start, is queued again.
    All of it in the transaction that notes the new home, so that it happens once.
    """
    row = lock_settled_home(session)
    before, row.settled_home_id = row.settled_home_id, home_id
    is_change = before is not None and before != home_id
    return Settled(
        is_change=is_change,
        runs_held=runs_elsewhere.hold_all(session) if is_change else 0,
        deployments_ended=deployments_elsewhere.end_all(session) if is_change else 0,
        runs_resumed=runs_elsewhere.resume_all(session) if take_over else 0,
    )
