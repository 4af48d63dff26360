"""Whose runs and deployments are: seen by their owner and by those who see everyone's, by all where they are shared."""

import hashlib

from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from finery.contracts.permissions import Principal
from finery.domain.errors import DomainError, ErrorKind
from finery.models import DeploymentRow, RunRow


class NotYours(DomainError):
    """Only for what is seen, because it is shared; all else is not found."""

    kind = ErrorKind.FORBIDDEN
    code = "not_yours"

    def __init__(self, what: str, id: str) -> None:
        super().__init__(f"{what} {id!r} is shared with you; only its owner may change it")


def runs_visible_to(who: Principal) -> ColumnElement[bool]:
    return true() if who.sees_all_runs else or_(_owned(RunRow.owner_id, who), RunRow.shared)


def runs_writable_by(who: Principal) -> ColumnElement[bool]:
    return true() if who.sees_all_runs else _owned(RunRow.owner_id, who)


def deployments_visible_to(who: Principal) -> ColumnElement[bool]:
    return true() if who.sees_all_deployments else or_(_owned(DeploymentRow.owner_id, who), DeploymentRow.shared)


def may_write_run(who: Principal, owner_id: str | None) -> bool:
    return who.sees_all_runs or _is_owner(who, owner_id)


def may_write_deployment(who: Principal, owner_id: str | None) -> bool:
    return who.sees_all_deployments or _is_owner(who, owner_id)


def key_of_owner(who: Principal, text: str) -> str:
    """What stands for `text` in a unique column, so that each owner has names of their own: 64 characters."""
    return text if who.user_id is None else hashlib.sha256(f"{who.user_id}\0{text}".encode()).hexdigest()


def _owned(column: InstrumentedAttribute[str | None], who: Principal) -> ColumnElement[bool]:
    """What has no owner is not theirs who have no account. True or false, never NULL: it is negated, too."""
    return false() if who.user_id is None else and_(column.is_not(None), column == who.user_id)


def _is_owner(who: Principal, owner_id: str | None) -> bool:
    return who.user_id is not None and who.user_id == owner_id
