"""Files that come in parts, in any order and side by side; each part is kept until the whole is complete.

Completing takes three steps, so that no transaction waits for gigabytes: `get_upload` finds the parts, `join_parts`
writes and hashes the whole with no session open, `complete` makes it a file. Whoever dies in between asks again.
"""

import hashlib
import secrets
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
from finery.domain.files.errors import FileNotFound, PartsDiffer, UploadClosed, UploadNotFound, UploadTooLarge
from finery.kit.clock import utc_now
from finery.kit.files import sync_directory
from finery.models import UploadPartRow, UploadRow

LIFETIME = timedelta(hours=1)
"""Of an upload, since its last part; OpenAI counts it from the beginning."""
MOST_PARTS = 10_000
COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Joined(NewFile):
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
    who: Principal,
) -> PartedUpload:
    """Raises InvalidFileField, UploadTooLarge."""
    purpose = service.checked_purpose(purpose)
    service.check_lifetime(lifetime_seconds)
    if size_bytes > most_bytes:
        raise UploadTooLarge("bytes", most_bytes)
    now = utc_now()
    row = UploadRow(
        id=f"upload_{secrets.token_hex(12)}",
        owner_id=who.user_id,
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


def get_upload(session: Session, upload_id: str, who: Principal) -> PartedUpload:
    """Raises UploadNotFound, here and below also for other users' uploads."""
    row = _find(session, upload_id, who)
    return _upload_of(row, _file_of(session, row, who))


def add_part(session: Session, upload_id: str, part: NewFile, home: HomeDirectory, who: Principal) -> UploadPart:
    """Keep a part: its file is moved to where parts lie. Raises UploadClosed, UploadTooLarge."""
    row = _lock_pending(session, upload_id, who)
    mine = UploadPartRow.upload_id == upload_id
    counted = select(func.count(), func.coalesce(func.sum(UploadPartRow.size_bytes), 0)).where(mine)
    number, size = session.execute(counted).one()
    if number >= MOST_PARTS:
        raise PartsDiffer("data", f"an upload may have {MOST_PARTS} parts at most; send larger ones")
    if int(size) + part.size_bytes > row.size_bytes:
        raise PartsDiffer("data", f"the parts are more than the {row.size_bytes} bytes that were announced")
    now = utc_now()
    kept = UploadPartRow(
        id=f"part_{secrets.token_hex(12)}", upload_id=upload_id, size_bytes=part.size_bytes, created_at=now
    )
    row.expires_at = now + LIFETIME
    session.add(kept)
    session.flush()
    home.upload_parts.mkdir(parents=True, exist_ok=True)
    part.path.replace(home.upload_parts / kept.id)
    sync_directory(home.upload_parts)
    return UploadPart(id=kept.id, upload_id=upload_id, size_bytes=kept.size_bytes, created_at=now)


def join_parts(upload: PartedUpload, part_ids: Sequence[str], home: HomeDirectory, target: Path) -> Joined:
    """Write the parts to `target` in the order given. Raises PartsDiffer for one that is not there."""
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
                raise PartsDiffer("part_ids", f"the upload has no part '{part_id[:100]}'") from error
    return Joined(target, upload.filename, size, sha256.hexdigest(), md5.hexdigest())


def check_parts(session: Session, upload_id: str, part_ids: Sequence[str], who: Principal) -> PartedUpload:
    """Before they are joined. One that is completed already is answered as it is. Raises UploadClosed, PartsDiffer."""
    row = _find(session, upload_id, who)
    if row.status == UploadStatus.COMPLETED:
        return _upload_of(row, _file_of(session, row, who))
    _refuse_closed(row)
    query = select(UploadPartRow.id, UploadPartRow.size_bytes).where(UploadPartRow.upload_id == upload_id)
    sizes: dict[str, int] = dict(session.execute(query).all())
    for part_id in part_ids:
        if part_id not in sizes:
            raise PartsDiffer("part_ids", f"the upload has no part '{part_id[:100]}'")
    if len(set(part_ids)) < len(part_ids):
        raise PartsDiffer("part_ids", "a part is named twice")
    total = sum(sizes[part_id] for part_id in part_ids)
    if total != row.size_bytes:
        raise PartsDiffer("part_ids", f"the parts have {total} bytes; {row.size_bytes} were announced")
    return _upload_of(row, None)


def complete(
    session: Session, upload_id: str, joined: Joined, md5: str | None, home: HomeDirectory, who: Principal
) -> PartedUpload:
    """Make it a file; its parts are no more needed. Of two at once one does it, and both get its answer.

    Raises UploadClosed, PartsDiffer.
    """
    row = _lock(session, upload_id, who)
    if row.status == UploadStatus.COMPLETED:
        return _upload_of(row, _file_of(session, row, who))
    _refuse_closed(row)
    if md5 is not None and md5.lower() != joined.md5:
        raise PartsDiffer("md5", f"the parts' MD5 is {joined.md5}, not what was given")
    file = service.create(
        session, joined, purpose=row.purpose, lifetime_seconds=row.lifetime_seconds, who=who, home=home
    )
    row.status, row.file_id = UploadStatus.COMPLETED, file.id
    audit.name_target(session, upload_id)
    session.flush()
    return _upload_of(row, file)


def cancel(session: Session, upload_id: str, who: Principal) -> PartedUpload:
    """Silent when it was cancelled already. Raises UploadClosed."""
    row = _lock(session, upload_id, who)
    if row.status != UploadStatus.CANCELLED:
        _refuse_closed(row)
        row.status = UploadStatus.CANCELLED
    return _upload_of(row, None)


def _find(session: Session, upload_id: str, who: Principal) -> UploadRow:
    return _own(session.get(UploadRow, upload_id), upload_id, who)


def _lock(session: Session, upload_id: str, who: Principal) -> UploadRow:
    row = session.get(UploadRow, upload_id, with_for_update=True, populate_existing=True)
    return _own(row, upload_id, who)


def _lock_pending(session: Session, upload_id: str, who: Principal) -> UploadRow:
    row = _lock(session, upload_id, who)
    _refuse_closed(row)
    return row


def _own(row: UploadRow | None, upload_id: str, who: Principal) -> UploadRow:
    # What has no owner is not theirs who have no account.
    is_theirs = row is not None and (who.sees_all_datasets or (who.user_id is not None and who.user_id == row.owner_id))
    if row is None or not is_theirs:
        raise UploadNotFound(upload_id)
    return row


def _refuse_closed(row: UploadRow) -> None:
    status = _status_of(row)
    if status is not UploadStatus.PENDING:
        raise UploadClosed(row.id, status)


def _status_of(row: UploadRow) -> UploadStatus:
    status = UploadStatus(row.status)
    return UploadStatus.EXPIRED if status is UploadStatus.PENDING and row.expires_at <= utc_now() else status


def _file_of(session: Session, row: UploadRow, who: Principal) -> StoredFile | None:
    """None when it was deleted since."""
    try:
        return None if row.file_id is None else service.get(session, row.file_id, who)
    except FileNotFound:
        return None


def _upload_of(row: UploadRow, file: StoredFile | None) -> PartedUpload:
    return PartedUpload(
        id=row.id,
        filename=row.filename,
        purpose=row.purpose,
        size_bytes=row.size_bytes,
        status=_status_of(row),
        created_at=row.created_at,
        expires_at=row.expires_at,
        file=file,
    )
