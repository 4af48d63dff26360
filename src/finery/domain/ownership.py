"""Whose runs and deployments are: seen by their owner and by those who see everyone's, by all where they are shared."""

import hashlib

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from finery.contracts.permissions import Principal
from finery.domain.errors import DomainError, ErrorKind
from finery.models import DeploymentRow, RunRow


class NotYours(DomainError):
    """Only for what is seen, because it is shared; all else is not found."""

    kind = ErrorKind.FORBIDDEN
    code = "not_yours"

    def __init__(self, what: str, id: str) -> None:
        super().__init__(f"{what} {id!r} is shared with you; only its owner may change it")


SHOWN_ID = func.coalesce(RunRow.client_id, RunRow.id)
"""As a run is told to those who may see it."""


def runs_visible_to(actor: Principal) -> ColumnElement[bool]:
    return true() if actor.sees_all_runs else or_(_owned(RunRow.owner_id, actor), RunRow.shared)


def runs_writable_by(actor: Principal) -> ColumnElement[bool]:
    return true() if actor.sees_all_runs else _owned(RunRow.owner_id, actor)


def deployments_visible_to(actor: Principal) -> ColumnElement[bool]:
    return true() if actor.sees_all_deployments else or_(_owned(DeploymentRow.owner_id, actor), DeploymentRow.shared)


def may_write_run(actor: Principal, owner_id: str | None) -> bool:
    return actor.sees_all_runs or _is_owner(actor, owner_id)


def may_write_deployment(actor: Principal, owner_id: str | None) -> bool:
    return actor.sees_all_deployments or _is_owner(actor, owner_id)


def key_of_owner(actor: Principal, text: str) -> str:
    """What stands for `text` in a unique column, so that each owner has names of their own: 64 characters."""
    return text if actor.user_id is None else hashlib.sha256(f"{actor.user_id}\0{text}".encode()).hexdigest()


def client_key(owner_id: str | None, client_id: str) -> str:
    """What stands in a unique column for the id that a client chose: 64 characters."""
    return hashlib.sha256(f"{owner_id or ''}\0{client_id}".encode()).hexdigest()


def find_by_id(session: Session, run_id: str, actor: Principal) -> RunRow | None:
    """The one run that it can only be: the one for which they chose that id, else the one whose own id it is."""
    key = None if actor.user_id is None else client_key(actor.user_id, run_id)
    is_it = RunRow.id == run_id if key is None else or_(RunRow.id == run_id, RunRow.client_key == key)
    rows = session.scalars(select(RunRow).where(is_it, runs_visible_to(actor))).all()
    return next((row for row in rows if row.client_key == key), None) or next(iter(rows), None)


def _owned(column: InstrumentedAttribute[str | None], actor: Principal) -> ColumnElement[bool]:
    """What has no owner is not theirs who have no account. True or false, never NULL: it is negated, too."""
    return false() if actor.user_id is None else and_(column.is_not(None), column == actor.user_id)


def _is_owner(actor: Principal, owner_id: str | None) -> bool:
    return actor.user_id is not None and actor.user_id == owner_id
