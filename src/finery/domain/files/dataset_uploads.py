"""Takes a dataset's file in parts, one after the other, so that an upload goes on where it was interrupted.

How much is here is known to the server alone: whoever comes back after a reload, or at another machine, asks for it and
sends the rest. A part that does not begin where the last one ended is refused, also where it was sent twice.

Completing takes three steps, as it does for files (uploads.py).
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finery.contracts.files import DatasetUpload, PlacedPart, UploadStatus
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.contracts.stored_datasets import Dataset
from finery.domain import audit, datasets
from finery.domain.datasets.blobs import NewFile
from finery.domain.files.errors import PartMisplaced, PartsDiffer, TooManyParts, UploadIncomplete, UploadTooLarge
from finery.domain.files.uploads import FOR_DATASET, MOST_PARTS, find_upload, lock_upload, refuse_closed, status_of
from finery.kit.clock import utc_now
from finery.kit.files import sync_directory
from finery.kit.translatable import Translatable
from finery.models import UploadPartRow, UploadRow

LIFETIME = timedelta(days=1)
"""How long an upload waits for its next part."""
PART_BYTES = 8 << 20
PARTS = 5_000
"""A file is cut into about so many parts at most."""
SHOWN = 100


def begin(session: Session, *, filename: str, size_bytes: int, most_bytes: int, actor: Principal) -> DatasetUpload:
    """Begin an upload. Raises UploadTooLarge."""
    if size_bytes > most_bytes:
        raise UploadTooLarge("size_bytes", most_bytes)
    now = utc_now()
    row = UploadRow(
        id=f"upload_{secrets.token_hex(12)}",
        owner_id=actor.user_id,
        filename=filename,
        purpose=FOR_DATASET,
        mime_type="application/octet-stream",
        size_bytes=size_bytes,
        status=UploadStatus.PENDING,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    session.flush()
    audit.name_target(session, row.id)
    return _upload_of(row, 0)


def list_pending(session: Session, actor: Principal) -> list[DatasetUpload]:
    """List the actor's own uploads that wait for a part, newest first."""
    query = (
        select(UploadRow)
        .where(UploadRow.owner_id == actor.user_id, UploadRow.purpose == FOR_DATASET)
        .where(UploadRow.status == UploadStatus.PENDING, UploadRow.expires_at > utc_now())
        .order_by(UploadRow.created_at.desc())
    )
    return [_upload_of(row, _received(session, row.id)) for row in session.scalars(query.limit(SHOWN))]


def get(session: Session, upload_id: str, actor: Principal) -> DatasetUpload:
    """Raises UploadNotFound, here and below also for other users' uploads."""
    row = find_upload(session, upload_id, actor, of_dataset=True)
    return _upload_of(row, row.size_bytes if row.dataset_id else _received(session, row.id))


def list_parts(session: Session, upload_id: str, actor: Principal) -> list[PlacedPart]:
    """List the parts that are here, in order, so that a client can compare them with its file."""
    row = find_upload(session, upload_id, actor, of_dataset=True)
    return [
        PlacedPart(start=part.start or 0, size_bytes=part.size_bytes, sha256=part.sha256 or "")
        for part in _parts(session, row.id)
    ]


def append(
    session: Session, upload_id: str, part: NewFile, start: int, home: HomeDirectory, actor: Principal
) -> DatasetUpload:
    """Store the next part, whose file is moved to the folder of parts.

    Raises UploadClosed, TooManyParts, PartMisplaced, PartsDiffer.
    """
    row = lock_upload(session, upload_id, actor, of_dataset=True)
    refuse_closed(row)
    received = _received(session, upload_id)
    if _count(session, upload_id) >= MOST_PARTS:
        raise TooManyParts(MOST_PARTS)
    if start != received:
        raise PartMisplaced(received)
    if received + part.size_bytes > row.size_bytes:
        message = Translatable(
            "the file has {size} bytes as announced, and this part goes beyond; send the rest only, or begin another",
            size=row.size_bytes,
        )
        raise PartsDiffer("data", message)
    now = utc_now()
    row.expires_at = now + LIFETIME
    kept = UploadPartRow(
        id=f"part_{secrets.token_hex(12)}",
        upload_id=upload_id,
        size_bytes=part.size_bytes,
        sha256=part.sha256,
        start=start,
        created_at=now,
    )
    session.add(kept)
    session.flush()
    home.upload_parts.mkdir(parents=True, exist_ok=True)
    part.path.replace(home.upload_parts / kept.id)
    sync_directory(home.upload_parts)
    return _upload_of(row, received + part.size_bytes)


def whole_parts(session: Session, upload_id: str, actor: Principal) -> tuple[DatasetUpload, Sequence[str]]:
    """Return an upload with the ids of all its parts in order; one that is complete already has none.

    Raises UploadClosed, UploadIncomplete.
    """
    row = find_upload(session, upload_id, actor, of_dataset=True)
    if row.dataset_id is not None:
        return _upload_of(row, row.size_bytes), ()
    refuse_closed(row)
    parts = _parts(session, row.id)
    received = sum(part.size_bytes for part in parts)
    if received != row.size_bytes:
        raise UploadIncomplete(received, row.size_bytes)
    return _upload_of(row, received), [part.id for part in parts]


def complete(
    session: Session,
    upload_id: str,
    joined: NewFile | None,
    home: HomeDirectory,
    actor: Principal,
    *,
    dataset_id: str | None = None,
    name: str | None = None,
    note: str | None = None,
    shared: bool = False,
) -> Dataset:
    """Store the joined parts as a new dataset, or as the next version of `dataset_id`; once, however often it is asked.

    Raises UploadClosed, and what datasets.create, datasets.add_version and datasets.get raise.
    """
    row = lock_upload(session, upload_id, actor, of_dataset=True)
    if row.dataset_id is not None:
        return datasets.get(session, row.dataset_id, actor)
    refuse_closed(row)
    if joined is None:
        raise UploadIncomplete(0, row.size_bytes)
    if dataset_id is None:
        dataset = datasets.create(session, joined, actor=actor, home=home, name=name, note=note, shared=shared)
    else:
        datasets.add_version(session, dataset_id, joined, actor=actor, home=home, note=note)
        dataset = datasets.get(session, dataset_id, actor)
    row.status, row.dataset_id = UploadStatus.COMPLETED, dataset.id
    audit.name_target(session, dataset.id)
    session.flush()
    return dataset


def cancel(session: Session, upload_id: str, actor: Principal) -> None:
    """Cancel an upload, once or again. Raises UploadClosed for one that is complete."""
    row = lock_upload(session, upload_id, actor, of_dataset=True)
    if row.status != UploadStatus.CANCELLED:
        refuse_closed(row)
        row.status = UploadStatus.CANCELLED


def _received(session: Session, upload_id: str) -> int:
    total = func.coalesce(func.sum(UploadPartRow.size_bytes), 0)
    return int(session.scalars(select(total).where(UploadPartRow.upload_id == upload_id)).one())


def _count(session: Session, upload_id: str) -> int:
    counted = select(func.count()).select_from(UploadPartRow).where(UploadPartRow.upload_id == upload_id)
    return session.scalars(counted).one()


def _parts(session: Session, upload_id: str) -> Sequence[UploadPartRow]:
    query = select(UploadPartRow).where(UploadPartRow.upload_id == upload_id)
    return session.scalars(query.order_by(UploadPartRow.start)).all()


def _upload_of(row: UploadRow, received: int) -> DatasetUpload:
    return DatasetUpload(
        id=row.id,
        filename=row.filename,
        size_bytes=row.size_bytes,
        received_bytes=received,
        part_bytes=max(PART_BYTES, -(-row.size_bytes // PARTS)),
        status=status_of(row),
        dataset_id=row.dataset_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
