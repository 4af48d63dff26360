"""Uploads, their parts and files with explicit defaults."""

from datetime import timedelta
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finery.contracts.files import PartedUpload, StoredFile, UploadPart
from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.db import Database
from finery.domain import files
from finery.kit.clock import utc_now
from finery.models import FileRow, UploadPartRow, UploadRow
from tests.domain.datasets.stored import new_file
from tests.domain.principals import ANN


def begin(database: Database, size_bytes: int, *, actor: Principal = ANN) -> str:
    with database.write() as session:
        return files.begin(
            session,
            filename="rows.jsonl",
            purpose="fine-tune",
            size_bytes=size_bytes,
            mime_type="text/jsonl",
            lifetime_seconds=None,
            most_bytes=1 << 20,
            actor=actor,
        ).id


def add(
    database: Database, home: Path, upload_id: str, content: bytes, *, is_retry: bool = False, actor: Principal = ANN
) -> UploadPart:
    part = new_file(home, content)
    try:
        with database.write() as session:
            return files.add_part(session, upload_id, part, HomeDirectory(home), actor, is_retry=is_retry)
    finally:
        part.path.unlink(missing_ok=True)


def complete(database: Database, home: Path, upload_id: str, part_ids: list[str]) -> PartedUpload:
    """As the server does, in three steps."""
    with database.read() as session:
        upload = files.check_parts(session, upload_id, part_ids, ANN)
    target = HomeDirectory(home).blobs / ".partial-whole"
    target.parent.mkdir(parents=True, exist_ok=True)
    joined = files.join_parts(upload.filename, part_ids, HomeDirectory(home), target)
    with database.write() as session:
        return files.complete(session, upload_id, joined, None, HomeDirectory(home), ANN)


def content(database: Database, home: Path, file: StoredFile | None) -> bytes:
    assert file is not None
    with database.read() as session:
        return files.content_path(session, file.id, ANN, HomeDirectory(home)).read_bytes()


def file(database: Database, home: Path, *, lifetime_seconds: int | None = 3600) -> StoredFile:
    new = new_file(home)
    with database.write() as session:
        return files.create(
            session, new, purpose="fine-tune", lifetime_seconds=lifetime_seconds, actor=ANN, home=HomeDirectory(home)
        )


def age(database: Database, by: timedelta) -> None:
    """As if everything had come that much earlier."""
    with database.write() as session:
        for upload in session.scalars(select(UploadRow)):
            upload.created_at, upload.expires_at = upload.created_at - by, upload.expires_at - by
        session.execute(
            update(FileRow).where(FileRow.expires_at.is_not(None)).values(expires_at=utc_now() - timedelta(seconds=1))
        )


def put_off(session: Session, upload_id: str) -> None:
    """Its end, as a part does."""
    session.execute(
        update(UploadRow).where(UploadRow.id == upload_id).values(expires_at=utc_now() + timedelta(minutes=1))
    )


def clean(database: Database, home: Path) -> int:
    """As the cleaning loop does; how many parts went."""
    with database.write() as session:
        names = files.remove_expired(session)
    files.remove_parts(HomeDirectory(home), names)
    return len(names)


def parts(database: Database) -> set[str]:
    with database.read() as session:
        return set(session.scalars(select(UploadPartRow.id)))


def part_files(home: Path) -> set[str]:
    return {path.name for path in HomeDirectory(home).upload_parts.glob("*")}
