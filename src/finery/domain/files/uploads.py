"""Takes uploads in parts, which come in any order and concurrently, and joins them to a file.

The completing request names the parts of the file. So parts may come more than once, from a client that did not get the
answer, or that lost the ids and begins anew. Parts that are not named are removed with the upload.

Completing takes three steps, so that no transaction waits for gigabytes: `check_parts` finds the parts, `join_parts`
writes and hashes the file with no session open, `complete` stores it. After a crash in between the client tries again.
"""

import hashlib
import os
import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from finery.contracts.files import PartedUpload, StoredFile, UploadPart, UploadStatus
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.domain import audit
from finery.domain.datasets.blobs import NewFile
from finery.domain.files import service
from finery.domain.files.errors import (
    FileNotFound,
    PartsDiffer,
    TooManyParts,
    UploadClosed,
    UploadNotFound,
    UploadTooLarge,
)
from finery.kit.clock import utc_now
from finery.kit.files import sync_directory
from finery.kit.printable import printable
from finery.models import UploadPartRow, UploadRow

LIFETIME = timedelta(hours=1)
"""How long an upload stays open after its last part; OpenAI counts from the beginning."""
MOST_PARTS = 10_000
MAX_REPEATS = 2
"""The parts may have so many times the announced bytes: a client that lost its parts' ids can send all once more."""
COPY_BYTES = 1 << 20
FOR_DATASET = "dataset"
"""The purpose of an upload whose file becomes a dataset's version, and no file of its own."""


@dataclass(frozen=True)
class JoinedParts(NewFile):
    md5: str


def begin(
    session: Session,
    *,
    filename: str,
    purpose: str,
    size_bytes: int,
    mime_type: str,
    lifetime_seconds: int | None,
    most_bytes: int,
    actor: Principal,
) -> PartedUpload:
    """Begin an upload. Raises InvalidFileField, UploadTooLarge."""
    purpose = service.checked_purpose(purpose)
    service.check_lifetime(lifetime_seconds)
    if size_bytes > most_bytes:
        raise UploadTooLarge("bytes", most_bytes)
    now = utc_now()
    row = UploadRow(
        id=f"upload_{secrets.token_hex(12)}",
        owner_id=actor.user_id,
        filename=filename,
        purpose=purpose,
        mime_type=mime_type,
        size_bytes=size_bytes,
        lifetime_seconds=lifetime_seconds,
        status=UploadStatus.PENDING,
        created_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(row)
    session.flush()
    audit.name_target(session, row.id)
    return _upload_of(row, None)


def add_part(
    session: Session, upload_id: str, part: NewFile, home: HomeDirectory, actor: Principal, *, is_retry: bool = False
) -> UploadPart:
    """Store a part, whose file is moved to the folder of parts. Raises UploadNotFound, here and below also for other
    users' uploads.

    A client that says that it sends the part once more (`is_retry`) gets the part of the first time. Raises
    UploadClosed, PartsDiffer, TooManyParts.
    """
    row = lock_upload(session, upload_id, actor)
    refuse_closed(row)
    row.expires_at = utc_now() + LIFETIME
    if is_retry and (before := _sent_before(session, upload_id, part)) is not None:
        before.answers += 1
        return _part_of(before)
    _check_room(session, row, part)
    kept = UploadPartRow(
        id=f"part_{secrets.token_hex(12)}",
        upload_id=upload_id,
        size_bytes=part.size_bytes,
        sha256=part.sha256,
        answers=1,
        created_at=utc_now(),
    )
    session.add(kept)
    session.flush()
    home.upload_parts.mkdir(parents=True, exist_ok=True)
    part.path.replace(home.upload_parts / kept.id)
    sync_directory(home.upload_parts)
    return _part_of(kept)


def _sent_before(session: Session, upload_id: str, part: NewFile) -> UploadPartRow | None:
    query = select(UploadPartRow).where(
        UploadPartRow.upload_id == upload_id,
        UploadPartRow.sha256 == part.sha256,
        UploadPartRow.size_bytes == part.size_bytes,
    )
    return session.scalars(query.order_by(UploadPartRow.created_at, UploadPartRow.id).limit(1)).one_or_none()


def _check_room(session: Session, row: UploadRow, part: NewFile) -> None:
    """Bound the disk space. Whether the parts make the file is checked once the client has named them."""
    counted = select(func.count(), func.coalesce(func.sum(UploadPartRow.size_bytes), 0))
    number, size = session.execute(counted.where(UploadPartRow.upload_id == row.id)).one()
    if number >= MOST_PARTS:
        raise TooManyParts(MOST_PARTS)
    if part.size_bytes > row.size_bytes:
        raise PartsDiffer("data", f"the part is larger than the {row.size_bytes} bytes that were announced")
    if int(size) + part.size_bytes > MAX_REPEATS * row.size_bytes:
        message = f"the parts are more than {MAX_REPEATS} times the {row.size_bytes} bytes that were announced"
        raise PartsDiffer("data", f"{message}; begin another upload")


def join_parts(filename: str, part_ids: Sequence[str], home: HomeDirectory, target: Path) -> JoinedParts:
    """Write the parts to `target` in the given order. Raises PartsDiffer for a part that does not exist."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with target.open("wb") as whole:
        for part_id in part_ids:
            try:
                with (home.upload_parts / part_id).open("rb") as part:
                    while piece := part.read(COPY_BYTES):
                        whole.write(piece)
                        sha256.update(piece)
                        md5.update(piece)
                        size += len(piece)
            except FileNotFoundError as error:
                raise PartsDiffer("part_ids", f"the upload has no part '{printable(part_id)}'") from error
        # The parts are removed as soon as the file is known.
        whole.flush()
        os.fsync(whole.fileno())
    return JoinedParts(target, filename, size, sha256.hexdigest(), md5.hexdigest())


def check_parts(session: Session, upload_id: str, part_ids: Sequence[str], actor: Principal) -> PartedUpload:
    """Check the named parts before they are joined. An upload that is complete already is returned as it is.

    Raises UploadClosed, PartsDiffer.
    """
    row = find_upload(session, upload_id, actor)
    if row.status == UploadStatus.COMPLETED:
        return _upload_of(row, _file_of(session, row, actor))
    refuse_closed(row)
    named = Counter(part_ids)
    kept = {part.id: part for part in session.scalars(select(UploadPartRow).where(UploadPartRow.upload_id == row.id))}
    for part_id, times in named.items():
        if part_id not in kept:
            raise PartsDiffer("part_ids", f"the upload has no part '{printable(part_id)}'")
        if times > kept[part_id].answers:
            raise PartsDiffer("part_ids", f"the part '{part_id}' is named {times} times")
    total = sum(kept[part_id].size_bytes * times for part_id, times in named.items())
    if total != row.size_bytes:
        raise PartsDiffer("part_ids", f"the parts have {total} bytes; {row.size_bytes} were announced")
    return _upload_of(row, None)


def complete(
    session: Session, upload_id: str, joined: JoinedParts, md5: str | None, home: HomeDirectory, actor: Principal
) -> PartedUpload:
    """Store the joined parts as a file. Of two concurrent requests one does it, and both return that file.

    Raises UploadClosed, PartsDiffer.
    """
    row = lock_upload(session, upload_id, actor)
    if row.status == UploadStatus.COMPLETED:
        return _upload_of(row, _file_of(session, row, actor))
    refuse_closed(row)
    if md5 is not None and md5.lower() != joined.md5:
        raise PartsDiffer("md5", f"the parts' MD5 is {joined.md5}, not what was given")
    file = service.create(
        session, joined, purpose=row.purpose, lifetime_seconds=row.lifetime_seconds, actor=actor, home=home
    )
    row.status, row.file_id = UploadStatus.COMPLETED, file.id
    audit.name_target(session, upload_id)
    session.flush()
    return _upload_of(row, file)


def cancel(session: Session, upload_id: str, actor: Principal) -> PartedUpload:
    """Cancel an upload, once or again. Raises UploadClosed."""
    row = lock_upload(session, upload_id, actor)
    if row.status != UploadStatus.CANCELLED:
        refuse_closed(row)
        row.status = UploadStatus.CANCELLED
    return _upload_of(row, None)


def find_upload(session: Session, upload_id: str, actor: Principal, *, of_dataset: bool = False) -> UploadRow:
    """Return an upload of the actor's: for a dataset, or for a file. Raises UploadNotFound."""
    return _own(session.get(UploadRow, upload_id), upload_id, actor, of_dataset)


def lock_upload(session: Session, upload_id: str, actor: Principal, *, of_dataset: bool = False) -> UploadRow:
    """Do the same, read anew and locked until the transaction ends."""
    row = session.get(UploadRow, upload_id, with_for_update=True, populate_existing=True)
    return _own(row, upload_id, actor, of_dataset)


def _own(row: UploadRow | None, upload_id: str, actor: Principal, of_dataset: bool) -> UploadRow:
    # An actor without an account does not own what has no owner.
    is_theirs = row is not None and (
        actor.sees_all_datasets or (actor.user_id is not None and actor.user_id == row.owner_id)
    )
    if row is None or not is_theirs or (row.purpose == FOR_DATASET) != of_dataset:
        raise UploadNotFound(upload_id)
    return row


def refuse_closed(row: UploadRow) -> None:
    """Raises UploadClosed."""
    status = status_of(row)
    if status is not UploadStatus.PENDING:
        raise UploadClosed(row.id, status)


def status_of(row: UploadRow) -> UploadStatus:
    status = UploadStatus(row.status)
    return UploadStatus.EXPIRED if status is UploadStatus.PENDING and row.expires_at <= utc_now() else status


def _file_of(session: Session, row: UploadRow, actor: Principal) -> StoredFile | None:
    """Return the file of a complete upload, or None when it was deleted since."""
    try:
        return None if row.file_id is None else service.get(session, row.file_id, actor)
    except FileNotFound:
        return None


def _part_of(row: UploadPartRow) -> UploadPart:
    return UploadPart(id=row.id, upload_id=row.upload_id, size_bytes=row.size_bytes, created_at=row.created_at)


def _upload_of(row: UploadRow, file: StoredFile | None) -> PartedUpload:
    return PartedUpload(
        id=row.id,
        filename=row.filename,
        purpose=row.purpose,
        size_bytes=row.size_bytes,
        status=status_of(row),
        created_at=row.created_at,
        expires_at=row.expires_at,
        file=file,
    )
