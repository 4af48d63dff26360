"""Adds, lists, restores and locates the versions of a stored dataset."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.contracts.stored_datasets import DatasetVersion, Statistics
from finery.domain.datasets.blobs import NewFile, blob_path, store_blob
from finery.domain.datasets.queries import find_newest, find_version, lock_own, version_of
from finery.domain.datasets.validation import checked_note
from finery.kit.clock import utc_now
from finery.models import BlobRow, DatasetRow, DatasetVersionRow


@dataclass(frozen=True)
class VersionFile:
    path: Path
    version: DatasetVersion
    statistics: Statistics | None
    """None until they are computed."""


def add_version(
    session: Session, dataset_id: str, file: NewFile, *, actor: Principal, home: HomeDirectory, note: str | None = None
) -> DatasetVersion:
    """Add a file as the newest version. Raises InvalidDatasetField and what `lock_own` raises."""
    row = lock_own(session, dataset_id, actor)
    note = checked_note(note)
    blob = store_blob(session, file, home)
    return append_version(session, row, blob, filename=file.filename, note=note, actor=actor)


def list_versions(session: Session, dataset_id: str, actor: Principal) -> list[DatasetVersion]:
    """List versions, newest first. Raises StoredDatasetNotFound."""
    find_newest(session, dataset_id, actor)
    query = (
        select(DatasetVersionRow, BlobRow)
        .join(BlobRow, BlobRow.name == DatasetVersionRow.blob)
        .where(DatasetVersionRow.dataset_id == dataset_id)
        .order_by(DatasetVersionRow.version.desc())
    )
    return [version_of(*rows) for rows in session.execute(query)]


def restore(
    session: Session, dataset_id: str, version: int, *, actor: Principal, note: str | None = None
) -> DatasetVersion:
    """Add an old version's content as the newest version. Raises VersionNotFound and what `lock_own` raises."""
    row = lock_own(session, dataset_id, actor)
    old, blob = find_version(session, row, version)
    note = checked_note(note) or f"restored from version {version}"
    return append_version(session, row, blob, filename=old.filename, note=note, actor=actor, statistics=old.statistics)


def locate(
    session: Session, dataset_id: str, version: int | None, *, actor: Principal, home: HomeDirectory
) -> VersionFile:
    """Locate the file of a version, or of the newest for None. Raises StoredDatasetNotFound, VersionNotFound."""
    dataset, row, blob = find_newest(session, dataset_id, actor)
    if version is not None:
        row, blob = find_version(session, dataset, version)
    statistics = Statistics.model_validate(row.statistics) if row.statistics else None
    if statistics is not None and statistics.languages is None:
        # An earlier version of Finery counted less.
        statistics = None
    return VersionFile(blob_path(home, blob.name), version_of(row, blob), statistics)


def record_statistics(session: Session, version: DatasetVersion, statistics: Statistics) -> None:
    """Store the statistics of a version. Does nothing when it was deleted meanwhile."""
    is_it = (DatasetVersionRow.dataset_id == version.dataset_id, DatasetVersionRow.version == version.version)
    session.execute(update(DatasetVersionRow).where(*is_it).values(statistics=statistics.model_dump(mode="json")))


def append_version(
    session: Session,
    row: DatasetRow,
    blob: BlobRow,
    *,
    filename: str,
    note: str | None,
    actor: Principal,
    statistics: dict[str, object] | None = None,
) -> DatasetVersion:
    """Append a version to a locked dataset."""
    now = utc_now()
    row.newest += 1
    row.updated_at = now
    version = DatasetVersionRow(
        dataset_id=row.id,
        version=row.newest,
        blob=blob.name,
        filename=filename,
        note=note,
        created_at=now,
        created_by=actor.name[:200],
        statistics=statistics,
    )
    session.add(version)
    session.flush()
    return version_of(version, blob)
