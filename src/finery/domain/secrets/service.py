"""Stores, lists and deletes secrets, and decrypts those that a run needs."""

import contextlib
import re
from collections.abc import Iterable

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from finery.contracts.accounts import SecretInfo
from finery.contracts.recipes.environment_variables import ADDRESSES
from finery.db.upserts import insert_or_leave
from finery.domain.secrets.errors import (
    InvalidSecret,
    SecretKeyUnusable,
    SecretNotFound,
    SecretsMissing,
    SecretUnreadable,
    ServersCredential,
)
from finery.kit.clock import utc_now
from finery.kit.redaction import SHORTEST
from finery.kit.secretbox import KeyUnusable, SecretBox, Undecipherable
from finery.models import SecretRow

LONGEST_VALUE = 64 << 10
SERVER = ""
"""The `owner_key` of the server's own secrets."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


def put(session: Session, box: SecretBox, name: str, value: str, *, owner_id: str | None) -> SecretInfo:
    """Store a secret, or replace its value. `owner_id` None makes it the server's, which every run may use.

    Raises InvalidSecret, SecretKeyUnusable.
    """
    _check(name, value)
    encrypted = encrypt(box, value)
    row = session.scalars(_named(name, owner_id).with_for_update()).one_or_none()
    row = row or _insert(session, name, encrypted, owner_id)
    row.value, row.updated_at = encrypted, utc_now()
    return _info_of(row)


def delete(session: Session, name: str, *, owner_id: str | None) -> None:
    """Delete a secret. Raises SecretNotFound."""
    row = session.scalars(_named(name, owner_id)).one_or_none() if _NAME.fullmatch(name) else None
    if row is None:
        raise SecretNotFound(name)
    session.delete(row)
    session.flush()


def list_names(session: Session, *, owner_id: str | None) -> list[SecretInfo]:
    """List the secrets that the owner's runs may use, by name: their own and the server's."""
    query = select(SecretRow).where(SecretRow.owner_key.in_({SERVER, owner_id or SERVER}))
    return [_info_of(row) for row in session.scalars(query.order_by(SecretRow.name, SecretRow.id))]


def require(session: Session, names: Iterable[str], *, owner_id: str | None) -> None:
    """Raises SecretsMissing unless the owner or the server has all of them."""
    _find(session, names, owner_id)


def resolve(
    session: Session, box: SecretBox, names: Iterable[str], *, owner_id: str | None, optional: Iterable[str] = ()
) -> dict[str, str]:
    """Return the values, for a run's environment file and for nothing else. An owner's secret hides the server's.

    An `optional` secret is left out where neither has it, and where it is a credential of the server that would be sent
    to an address of the owner. Raises SecretsMissing, ServersCredential, SecretUnreadable, SecretKeyUnusable.
    """
    needed = _find(session, names, owner_id)
    rows = {**_stored(session, optional, owner_id), **needed}
    for address, sent in ADDRESSES.items():
        if address not in rows or rows[address].owner_key == SERVER:
            continue
        for name in [name for name in sent if name in rows and rows[name].owner_key == SERVER]:
            if name in needed:
                raise ServersCredential(name, address)
            del rows[name]
    return {name: _decrypt(box, row) for name, row in rows.items()}


def readable_values(session: Session, box: SecretBox, names: Iterable[str], *, owner_id: str | None) -> list[str]:
    """Return the values that are stored and can be decrypted, so that they can be redacted in logs."""
    values = []
    for row in _stored(session, names, owner_id).values():
        with contextlib.suppress(SecretUnreadable, SecretKeyUnusable, OSError):
            values.append(_decrypt(box, row))
    return values


def _find(session: Session, names: Iterable[str], owner_id: str | None) -> dict[str, SecretRow]:
    names = list(dict.fromkeys(names))
    rows = _stored(session, names, owner_id)
    if missing := [name for name in names if name not in rows]:
        raise SecretsMissing(missing)
    return rows


def _stored(session: Session, names: Iterable[str], owner_id: str | None) -> dict[str, SecretRow]:
    valid = [name for name in names if _NAME.fullmatch(name)]
    if not valid:
        return {}
    query = select(SecretRow).where(SecretRow.name.in_(valid), SecretRow.owner_key.in_({SERVER, owner_id or SERVER}))
    # The server's owner key sorts before all others, so that the owner's own row comes last and stays.
    return {row.name: row for row in session.scalars(query.order_by(SecretRow.owner_key))}


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        raise InvalidSecret("name", "must be a letter or _, then at most 127 of letters, digits, and _.-")
    if not SHORTEST <= len(value) <= LONGEST_VALUE:
        raise InvalidSecret("value", f"must have {SHORTEST} to {LONGEST_VALUE:,} characters")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidSecret("value", "holds a character that no environment can")


def _named(name: str, owner_id: str | None) -> Select[SecretRow]:
    return select(SecretRow).where(SecretRow.owner_key == (owner_id or SERVER), SecretRow.name == name)


def _insert(session: Session, name: str, encrypted: str, owner_id: str | None) -> SecretRow:
    """Insert a row, or return the one that a concurrent request has inserted, locked."""
    now = utc_now()
    values = {
        "owner_id": owner_id,
        "owner_key": owner_id or SERVER,
        "name": name,
        "value": encrypted,
        "created_at": now,
        "updated_at": now,
    }
    insert_or_leave(session, SecretRow, values)
    return session.scalars(_named(name, owner_id).with_for_update()).one()


def encrypt(box: SecretBox, value: str) -> str:
    """Raises SecretKeyUnusable."""
    try:
        return box.encrypt(value)
    except KeyUnusable as error:
        raise SecretKeyUnusable(str(error)) from error


def _decrypt(box: SecretBox, row: SecretRow) -> str:
    try:
        return box.decrypt(row.value)
    except Undecipherable as error:
        raise SecretUnreadable(row.name) from error
    except KeyUnusable as error:
        raise SecretKeyUnusable(str(error)) from error


def _info_of(row: SecretRow) -> SecretInfo:
    return SecretInfo(name=row.name, owner_id=row.owner_id, created_at=row.created_at, updated_at=row.updated_at)
