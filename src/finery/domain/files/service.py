"""Stores, finds, lists and deletes uploaded files."""

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import Session

from finery.contracts.files import FILE_PREFIX, LONGEST_LIFE, SHORTEST_LIFE, Purpose, StoredFile
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.db import make_room
from finery.domain import audit
from finery.domain.datasets.blobs import NewFile, blob_path, needs_its_data, store_blob
from finery.domain.files.errors import FileInUse, FileNotFound, InvalidFileField
from finery.kit.clock import utc_now
from finery.models import BlobRow, DatasetPinRow, FileRow, RunRow

RUNS_SHOWN = 5
RETRIED_WITHIN = timedelta(minutes=15)
MAX_ALIKE = 100
"""How many files of the same content and name are searched for the one that a client sends once more."""


def create(
    session: Session,
    file: NewFile,
    *,
    purpose: str,
    lifetime_seconds: int | None,
    actor: Principal,
    home: HomeDirectory,
    is_retry: bool = False,
) -> StoredFile:
    """Store a file. The same content twice is stored once, under two ids.

    A client that says that it sends the file once more (`is_retry`) gets the file of the first time. Raises
    InvalidFileField.
    """
    purpose = checked_purpose(purpose)
    check_lifetime(lifetime_seconds)
    now = utc_now()
    if is_retry and (before := _sent_before(session, file, purpose, lifetime_seconds, now, actor)) is not None:
        return file_of(before)
    row = FileRow(
        id=f"{FILE_PREFIX}{secrets.token_hex(12)}",
        owner_id=actor.user_id,
        filename=file.filename,
        purpose=purpose,
        blob=store_blob(session, file, home).name,
        size_bytes=file.size_bytes,
        created_at=now,
        expires_at=None if lifetime_seconds is None else now + timedelta(seconds=lifetime_seconds),
    )
    session.add(row)
    session.flush()
    audit.name_target(session, row.id)
    return file_of(row)


def _sent_before(
    session: Session, file: NewFile, purpose: str, lifetime_seconds: int | None, now: datetime, actor: Principal
) -> FileRow | None:
    query = (
        select(FileRow)
        .join(BlobRow, BlobRow.name == FileRow.blob)
        .where(
            BlobRow.sha256 == file.sha256,
            FileRow.filename == file.filename,
            FileRow.purpose == purpose,
            FileRow.created_at >= now - RETRIED_WITHIN,
            FileRow.owner_id == actor.user_id if actor.user_id is not None else FileRow.owner_id.is_(None),
        )
    )
    for row in session.scalars(query.order_by(FileRow.number.desc()).limit(MAX_ALIKE)):
        seconds = None if row.expires_at is None else round((row.expires_at - row.created_at).total_seconds())
        if seconds == lifetime_seconds:
            return row
    return None


def get(session: Session, file_id: str, actor: Principal) -> StoredFile:
    """Return a file. Raises FileNotFound, here and below also for other users' files and for expired ones."""
    return file_of(find_row(session, file_id, actor))


def list_page(
    session: Session, actor: Principal, *, purpose: str | None, after: str | None, limit: int, newest_first: bool
) -> tuple[list[StoredFile], bool]:
    """List the files after the one with the id `after`; return them and whether there are more. Raises FileNotFound."""
    query = select(FileRow).where(_is_visible_to(actor))
    if purpose is not None:
        query = query.where(FileRow.purpose == purpose)
    if after is not None:
        number = find_row(session, after, actor, field="after").number
        query = query.where(FileRow.number < number if newest_first else FileRow.number > number)
    query = query.order_by(FileRow.number.desc() if newest_first else FileRow.number).limit(limit + 1)
    rows = session.scalars(query).all()
    return [file_of(row) for row in rows[:limit]], len(rows) > limit


def content_path(session: Session, file_id: str, actor: Principal, home: HomeDirectory) -> Path:
    return blob_path(home, find_row(session, file_id, actor).blob)


def delete(session: Session, file_id: str, actor: Principal) -> None:
    """Delete a file. Raises FileNotFound, and FileInUse while a run reads it that is not being cancelled."""
    row = find_row(session, file_id, actor, lock=True)
    query = (
        select(RunRow.id, DatasetPinRow.field, RunRow.config)
        .join(DatasetPinRow, DatasetPinRow.run_number == RunRow.number)
        .where(DatasetPinRow.blob == row.blob, needs_its_data())
    )
    needing = {run_id for run_id, field, config in session.execute(query) if config.get(field) == file_id}
    if needing:
        raise FileInUse(file_id, sorted(needing)[:RUNS_SHOWN])
    make_room(session)
    session.delete(row)
    session.flush()


def find_row(
    session: Session, file_id: str, actor: Principal, *, field: str = "file_id", lock: bool = False
) -> FileRow:
    query = select(FileRow).where(FileRow.id == file_id, _is_visible_to(actor))
    row = session.scalars(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise FileNotFound(file_id, field=field)
    return row


def checked_purpose(purpose: str) -> str:
    if purpose not in set(Purpose):
        raise InvalidFileField("purpose", f"must be one of {', '.join(Purpose)}")
    return purpose


def check_lifetime(seconds: int | None) -> None:
    if seconds is not None and not SHORTEST_LIFE <= seconds <= LONGEST_LIFE:
        raise InvalidFileField("expires_after.seconds", f"must be {SHORTEST_LIFE} to {LONGEST_LIFE}")


def file_of(row: FileRow) -> StoredFile:
    return StoredFile(
        id=row.id,
        number=row.number,
        owner_id=row.owner_id,
        filename=row.filename,
        purpose=row.purpose,
        size_bytes=row.size_bytes,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def _is_visible_to(actor: Principal) -> ColumnElement[bool]:
    """Return the condition that `actor` may see a file; an expired one is hidden before the sweep removes it."""
    is_unexpired = or_(FileRow.expires_at.is_(None), FileRow.expires_at > utc_now())
    if actor.sees_all_datasets:
        return is_unexpired
    # An actor without an account does not own what has no owner.
    return false() if actor.user_id is None else and_(FileRow.owner_id == actor.user_id, is_unexpired)
