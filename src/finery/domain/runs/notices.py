"""Tells what changes of runs, for streams that show many of them."""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from finery.contracts.permissions import Principal
from finery.contracts.run import Progress, RunNotice
from finery.contracts.status import Intent, RunStatus
from finery.db.topics import announce
from finery.domain.ownership import may_see_run
from finery.domain.runs.mapping import shown_id
from finery.models import RunRow

_REMOVED = "run-removed:"


@dataclass(frozen=True)
class Visibility:
    """What decides who may see a run."""

    owner_id: str | None
    shared: bool

    def includes(self, actor: Principal) -> bool:
        return may_see_run(actor, self.owner_id, shared=self.shared)


class Removal(msgspec.Struct, frozen=True, array_like=True):
    """A run that some can see no more."""

    id: str
    """What is shown; unique only among the runs of its owner."""
    uid: str
    owner_id: str | None
    shared: bool
    """Whether it was shared."""
    is_deleted: bool
    """False: it is shared no more."""

    def concerns(self, actor: Principal) -> bool:
        """Return whether `actor` could see the run before, and cannot now."""
        if self.is_deleted:
            return may_see_run(actor, self.owner_id, shared=self.shared)
        return not may_see_run(actor, self.owner_id, shared=False)


def announce_removal(session: Session, row: RunRow, *, is_deleted: bool) -> None:
    """Tell streams with the commit. The topic holds all that they need, since a deleted row can be read no more."""
    removal = Removal(shown_id(row), row.id, row.owner_id, row.shared, is_deleted)
    announce(session, _REMOVED + msgspec.json.encode(removal).decode())


def removal_of(topic: str) -> Removal | None:
    if not topic.startswith(_REMOVED):
        return None
    return msgspec.json.decode(topic.removeprefix(_REMOVED), type=Removal)


def list_notices(session: Session, numbers: Collection[int]) -> list[tuple[RunNotice, Visibility]]:
    """List the runs of these numbers that are still there, in order."""
    columns = (RunRow.id, RunRow.client_id, RunRow.name, RunRow.status, RunRow.intent, RunRow.attempt)
    more = (RunRow.last_sequence, RunRow.progress, RunRow.started_at, RunRow.finished_at, RunRow.updated_at)
    owned = (RunRow.owner_id, RunRow.shared)
    query = select(RunRow).where(RunRow.number.in_(numbers)).order_by(RunRow.number)
    rows = session.scalars(query.options(load_only(*columns, *more, *owned)))
    return [(_notice_of(row), Visibility(row.owner_id, row.shared)) for row in rows]


def _notice_of(row: RunRow) -> RunNotice:
    return RunNotice(
        id=shown_id(row),
        uid=row.id,
        number=row.number,
        name=row.name,
        status=RunStatus(row.status),
        intent=Intent(row.intent) if row.intent else None,
        attempt=row.attempt,
        sequence=row.last_sequence,
        progress=Progress(**row.progress),
        started_at=row.started_at,
        finished_at=row.finished_at,
        updated_at=row.updated_at,
    )
