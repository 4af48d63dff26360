"""Stores files by their content, each once, and removes them when nothing refers to them any more.

A file is written before its row, and removed after it. So a crash leaves files without a row at worst, which the next
start removes.
"""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from finery.contracts.layout import HomeDirectory
from finery.contracts.status import FINISHED, Intent
from finery.db.upserts import insert_or_leave
from finery.kit.clock import utc_now
from finery.kit.files import sync_directory
from finery.models import BlobRow, DatasetPinRow, DatasetVersionRow, FileRow, RunRow

MAX_REMOVED_AT_ONCE = 100
_SUFFIX = re.compile(r"\.(json|jsonl|ndjson|csv|tsv|parquet|txt)(\.gz)?$")


@dataclass(frozen=True)
class NewFile:
    """A file that is complete, synced, and on the file system of the blobs. Storing it may move it from its path."""

    path: Path
    filename: str
    """The client's name for the file, for people to read; it is never part of a path."""
    size_bytes: int
    sha256: str

    @property
    def suffix(self) -> str:
        """The suffix by which readers choose a format; empty where none would know it."""
        match = _SUFFIX.search(self.filename.lower())
        return match[0] if match else ""


def blob_path(home: HomeDirectory, name: str) -> Path:
    return home.blobs / name[:2] / name


def store_blob(session: Session, file: NewFile, home: HomeDirectory) -> BlobRow:
    """Return the row of this content, locked until the transaction ends. The same content is stored once."""
    row = session.scalars(_same_content(file)).one_or_none() or _insert(session, file, home)
    path = blob_path(home, row.name)
    if not path.is_file():
        # Somebody deleted the file by hand. The row is locked, so that no sweep removes the new one meanwhile.
        _place(file, path)
    return row


def has_unused(session: Session) -> bool:
    """Return whether `remove_unused` has anything to do; cheap, and without a lock."""
    return session.scalars(_unused().limit(1)).first() is not None


def remove_unused(session: Session) -> list[str]:
    """Delete rows of blobs that nothing refers to; return the names of their files, to be removed after the commit.

    Each row is locked and then checked again: a transaction that is about to refer to it either came first, and is
    seen, or finds it gone.
    """
    unused = session.execute(_unused().limit(MAX_REMOVED_AT_ONCE)).all()
    return [name for name, sha256, suffix in unused if _remove(session, name, _content(sha256, suffix))]


def remove_files(home: HomeDirectory, names: list[str]) -> None:
    """Remove the files of blobs whose rows were deleted and committed."""
    for name in names:
        blob_path(home, name).unlink(missing_ok=True)


def needs_its_data() -> ColumnElement[bool]:
    """Return the condition that a run still needs its data to be there under their name: it is to go on.

    One that is being cancelled keeps its blobs until its process has ended, but not the file or dataset.
    """
    return and_(RunRow.status.not_in(FINISHED), or_(RunRow.intent.is_(None), RunRow.intent != Intent.CANCEL))


def pinned_blobs() -> Select[str]:
    """Select the blobs that unfinished runs read."""
    query = select(DatasetPinRow.blob).join(RunRow, RunRow.number == DatasetPinRow.run_number)
    return query.where(RunRow.status.not_in(FINISHED))


def remove_strays(session: Session, home: HomeDirectory) -> int:
    """Remove files without a row, which a crash left, and return how many.

    Only the server's start may call it: a file is there before its row while one is being stored.
    """
    known = set(session.scalars(select(BlobRow.name)))
    strays = [path for path in home.blobs.glob("[0-9a-f][0-9a-f]/*") if path.name not in known]
    for path in strays:
        path.unlink(missing_ok=True)
    return len(strays)


def _unused() -> Select[str, str, str]:
    return select(BlobRow.name, BlobRow.sha256, BlobRow.suffix).where(~_is_used(BlobRow.name))


def _content(sha256: str, suffix: str) -> Select[BlobRow]:
    """Select a blob by its content. All who lock blobs use this one index, and so take the locks in one order."""
    return select(BlobRow).where(BlobRow.sha256 == sha256, BlobRow.suffix == suffix)


def _same_content(file: NewFile) -> Select[BlobRow]:
    return _content(file.sha256, file.suffix).with_for_update()


def _insert(session: Session, file: NewFile, home: HomeDirectory) -> BlobRow:
    """Insert a row and place the file, or return the row of a concurrent request with the same content."""
    name = f"{file.sha256}.{secrets.token_hex(4)}{file.suffix}"
    values = {
        "name": name,
        "sha256": file.sha256,
        "suffix": file.suffix,
        "size_bytes": file.size_bytes,
        "created_at": utc_now(),
    }
    insert_or_leave(session, BlobRow, values)
    row = session.scalars(_same_content(file)).one()
    if row.name == name:
        _place(file, blob_path(home, name))
    return row


def _place(file: NewFile, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file.path.replace(path)
    sync_directory(path.parent)
    sync_directory(path.parent.parent)


def _remove(session: Session, name: str, content: Select[BlobRow]) -> bool:
    row = session.scalars(content.with_for_update(skip_locked=True)).one_or_none()
    if row is None or row.name != name or session.scalar(select(_is_used(name))):
        return False
    session.delete(row)
    session.flush()
    return True


def _is_used(name: InstrumentedAttribute[str] | str) -> ColumnElement[bool]:
    """Return the condition that a version, a file or an unfinished run refers to the blob."""
    versions = select(DatasetVersionRow.version).where(DatasetVersionRow.blob == name)
    pins = pinned_blobs().where(DatasetPinRow.blob == name)
    files = select(FileRow.id).where(FileRow.blob == name)
    return versions.exists() | files.exists() | pins.exists()
