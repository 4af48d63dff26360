"""Finds and locks rows of stored datasets and their versions, and maps them to contracts."""

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.stored_datasets import REFERENCE, Dataset, DatasetVersion
from finery.domain.datasets.errors import DatasetNotYours, StoredDatasetNotFound, VersionNotFound
from finery.models import BlobRow, DatasetRow, DatasetVersionRow

VersionedDataset = tuple[DatasetRow, DatasetVersionRow, BlobRow]


def visible_to(actor: Principal) -> ColumnElement[bool]:
    """Return the condition that the actor may see a dataset: it is their own or shared, or they see all."""
    if actor.sees_all_datasets:
        return true()
    # An actor without an account does not own what has no owner.
    return or_(DatasetRow.shared, false() if actor.user_id is None else owned_by(actor))


def owned_by(actor: Principal) -> ColumnElement[bool]:
    """Return the condition that a dataset is the actor's own; names are unique among these."""
    return DatasetRow.owner_key == owner_key(actor)


def owner_key(actor: Principal) -> str:
    return actor.user_id or ""


def with_newest(actor: Principal) -> Select[DatasetRow, DatasetVersionRow, BlobRow]:
    """Select the datasets that `actor` may see, each with its newest version."""
    newest = and_(DatasetVersionRow.dataset_id == DatasetRow.id, DatasetVersionRow.version == DatasetRow.newest)
    query = select(DatasetRow, DatasetVersionRow, BlobRow).join(DatasetVersionRow, newest)
    return query.join(BlobRow, BlobRow.name == DatasetVersionRow.blob).where(visible_to(actor))


def find_newest(session: Session, dataset_id: str, actor: Principal) -> VersionedDataset:
    """Return a dataset with its newest version. Raises StoredDatasetNotFound, also where `actor` may not see it."""
    rows = session.execute(with_newest(actor).where(DatasetRow.id == dataset_id)).one_or_none()
    if rows is None:
        raise StoredDatasetNotFound(dataset_id)
    return rows


def find_version(session: Session, row: DatasetRow, version: int) -> tuple[DatasetVersionRow, BlobRow]:
    """Raises VersionNotFound."""
    query = select(DatasetVersionRow, BlobRow).join(BlobRow, BlobRow.name == DatasetVersionRow.blob)
    query = query.where(DatasetVersionRow.dataset_id == row.id, DatasetVersionRow.version == version)
    rows = session.execute(query).one_or_none()
    if rows is None:
        raise VersionNotFound(row.name, version, row.newest)
    return rows


def lock_own(session: Session, dataset_id: str, actor: Principal) -> DatasetRow:
    """Return the row of a dataset that `actor` may change, read anew and locked until the transaction ends.

    Raises StoredDatasetNotFound, DatasetNotYours.
    """
    query = select(DatasetRow).where(DatasetRow.id == dataset_id, visible_to(actor))
    row = session.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()
    if row is None:
        raise StoredDatasetNotFound(dataset_id)
    if not actor.sees_all_datasets and (actor.user_id is None or row.owner_id != actor.user_id):
        raise DatasetNotYours(dataset_id)
    return row


def dataset_of(row: DatasetRow, version: DatasetVersionRow, blob: BlobRow) -> Dataset:
    return Dataset(
        id=row.id,
        owner_id=row.owner_id,
        shared=row.shared,
        name=row.name,
        created_at=row.created_at,
        updated_at=row.updated_at,
        newest=version_of(version, blob),
    )


def version_of(row: DatasetVersionRow, blob: BlobRow) -> DatasetVersion:
    return DatasetVersion(
        dataset_id=row.dataset_id,
        version=row.version,
        reference=reference_to(row.dataset_id, row.version),
        filename=row.filename,
        suffix=blob.suffix,
        size_bytes=blob.size_bytes,
        sha256=blob.sha256,
        note=row.note,
        created_at=row.created_at,
        created_by=row.created_by,
    )


def reference_to(dataset_id: str, version: int) -> str:
    return f"{REFERENCE}{dataset_id}@{version}"
