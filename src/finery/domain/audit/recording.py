import math
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from finery.contracts.accounts import AuditResult
from finery.contracts.permissions import Principal
from finery.kit.clock import utc_now
from finery.kit.printable import printable
from finery.kit.redaction import REDACTED
from finery.models import AuditRow

SECRET_WORDS = ("password", "secret", "token", "api_key", "authorization", "cookie")
DEEPEST = 6


def record(
    session: Session,
    action: str,
    *,
    actor: Principal,
    address: str | None,
    target: str | None = None,
    result: AuditResult = AuditResult.OK,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry, in the transaction of what it tells of.

    A refusal rolls its transaction back, and what was recorded there too: record it in one of its own. Values under a
    key that sounds like a secret are left out; nothing else is looked for in `details`.
    """
    session.add(
        AuditRow(
            at=utc_now(),
            user_id=actor.user_id,
            user_name=printable(actor.name, limit=200),
            action=printable(action, limit=64),
            target=None if target is None else printable(target, limit=200),
            address=None if address is None else printable(address, limit=64),
            result=result.value,
            details=_told(dict(details or {}), DEEPEST),
        )
    )


def _told(value: Any, depth: int) -> Any:
    """`value` as JSON without secrets."""
    if depth == 0:
        return "…"
    match value:
        case Mapping():
            return {
                printable(str(key)): REDACTED if _is_secret(str(key)) else _told(each, depth - 1)
                for key, each in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_told(each, depth - 1) for each in value]
        case float() if not math.isfinite(value):
            return str(value)
        case bool() | int() | float() | None:
            return value
        case _:
            return printable(str(value), limit=1000)


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in SECRET_WORDS)
