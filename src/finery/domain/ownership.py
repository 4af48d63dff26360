"""Who may see and change runs and deployments: their owner and those who see everyone's; where shared, all may see."""

import hashlib

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from finery.contracts.permissions import Principal
from finery.domain.errors import DomainError, ErrorKind
from finery.kit.translatable import Translatable
from finery.models import DeploymentRow, RunRow


class NotYours(DomainError):
    """A shared thing is not its reader's to change. What a user may not see is not found instead."""

    kind = ErrorKind.FORBIDDEN
    code = "not_yours"

    def __init__(self, what: str, id: str) -> None:
        super().__init__(
            Translatable(
                "{what} {id!r} is shared with you: ask its owner to change it, or a lead or administrator",
                what=what,
                id=id,
            )
        )


SHOWN_ID = func.coalesce(RunRow.client_id, RunRow.id)
"""The id that those see who may see the run: the client's choice, else its own."""


def runs_visible_to(actor: Principal) -> ColumnElement[bool]:
    return true() if actor.sees_all_runs else or_(_owned(RunRow.owner_id, actor), RunRow.shared)


def runs_writable_by(actor: Principal) -> ColumnElement[bool]:
    return true() if actor.sees_all_runs else _owned(RunRow.owner_id, actor)


def deployments_visible_to(actor: Principal) -> ColumnElement[bool]:
    return true() if actor.sees_all_deployments else or_(_owned(DeploymentRow.owner_id, actor), DeploymentRow.shared)


def may_see_run(actor: Principal, owner_id: str | None, *, shared: bool) -> bool:
    return actor.sees_all_runs or shared or _is_owner(actor, owner_id)


def may_write_run(actor: Principal, owner_id: str | None) -> bool:
    return actor.sees_all_runs or _is_owner(actor, owner_id)


def may_write_deployment(actor: Principal, owner_id: str | None) -> bool:
    return actor.sees_all_deployments or _is_owner(actor, owner_id)


def owner_scoped_key(actor: Principal, text: str) -> str:
    """Return a key for a unique column, so that each owner has names of their own: 64 characters, or `text` itself."""
    return text if actor.user_id is None else hashlib.sha256(f"{actor.user_id}\0{text}".encode()).hexdigest()


def client_key(owner_id: str | None, client_id: str) -> str:
    """Return the key of the id that a client chose, for a unique column: 64 characters."""
    return hashlib.sha256(f"{owner_id or ''}\0{client_id}".encode()).hexdigest()


def find_run(session: Session, run_id: str, actor: Principal) -> RunRow | None:
    """Return the run for which `actor` chose this id, else the one whose own id it is, or None."""
    key = None if actor.user_id is None else client_key(actor.user_id, run_id)
    is_it = RunRow.id == run_id if key is None else or_(RunRow.id == run_id, RunRow.client_key == key)
    rows = session.scalars(select(RunRow).where(is_it, runs_visible_to(actor))).all()
    return next((row for row in rows if row.client_key == key), None) or next(iter(rows), None)


def _owned(column: InstrumentedAttribute[str | None], actor: Principal) -> ColumnElement[bool]:
    """An actor without an account does not own what has no owner. It is never NULL, since callers negate it."""
    return false() if actor.user_id is None else and_(column.is_not(None), column == actor.user_id)


def _is_owner(actor: Principal, owner_id: str | None) -> bool:
    return actor.user_id is not None and actor.user_id == owner_id
