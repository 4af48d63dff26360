"""Removes expired files, and the parts of uploads that are complete, cancelled or expired."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, and_, delete, or_, select, update
from sqlalchemy.orm import Session

from finery.contracts.files import UploadStatus
from finery.contracts.layout import HomeDirectory
from finery.domain.datasets.blobs import pinned_blobs
from finery.kit.clock import utc_now
from finery.models import FileRow, UploadPartRow, UploadRow

AT_ONCE = 500
FORGOTTEN_AFTER = timedelta(days=30)
"""How long a closed upload can still be read."""


def remove_expired(session: Session) -> list[str]:
    """Delete rows that have expired; return the names of parts' files, to be removed after the commit.

    A file that an unfinished run reads stays until the run has ended.
    """
    now = utc_now()
    session.execute(delete(FileRow).where(FileRow.id.in_(session.scalars(_expired_files(now).limit(AT_ONCE)).all())))
    late = UploadRow.expires_at <= now
    session.execute(
        update(UploadRow).where(UploadRow.status == UploadStatus.PENDING, late).values(status=UploadStatus.EXPIRED)
    )
    parts = list(session.scalars(_closed_parts().limit(AT_ONCE)))
    session.execute(delete(UploadPartRow).where(UploadPartRow.id.in_(parts)))
    # An upload that still has parts waits for the next sweep: its parts' rows would go with it, and their files stay.
    session.execute(delete(UploadRow).where(_forgotten(now), UploadRow.id.not_in(select(UploadPartRow.upload_id))))
    return parts


def has_expired(session: Session) -> bool:
    """Return whether `remove_expired` has anything to do, without a lock."""
    now = utc_now()
    late = (UploadRow.status == UploadStatus.PENDING) & (UploadRow.expires_at <= now)
    upload = select(UploadRow.id).where(or_(late, _forgotten(now)))
    queries = (_expired_files(now), upload, _closed_parts())
    return any(session.scalars(query.limit(1)).first() is not None for query in queries)


def remove_parts(home: HomeDirectory, names: list[str]) -> None:
    for name in names:
        (home.upload_parts / name).unlink(missing_ok=True)


def remove_stray_parts(session: Session, home: HomeDirectory) -> int:
    """Remove parts' files without a row, which a crash left; return how many. Only the server's start may call it."""
    known = set(session.scalars(select(UploadPartRow.id)))
    strays = [path for path in home.upload_parts.glob("part_*") if path.name not in known]
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)


def _expired_files(now: datetime) -> Select[str]:
    return select(FileRow.id).where(FileRow.expires_at <= now, FileRow.blob.not_in(pinned_blobs()))


def _closed_parts() -> Select[str]:
    return (
        select(UploadPartRow.id)
        .join(UploadRow, UploadRow.id == UploadPartRow.upload_id)
        .where(UploadRow.status != UploadStatus.PENDING)
    )


def _forgotten(now: datetime) -> ColumnElement[bool]:
    return and_(UploadRow.status != UploadStatus.PENDING, UploadRow.created_at <= now - FORGOTTEN_AFTER)
