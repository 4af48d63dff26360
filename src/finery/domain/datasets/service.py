"""Creates, lists, changes and deletes stored datasets: each has versions, and a version a file that never changes."""

import secrets

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import Principal
from finery.contracts.stored_datasets import Dataset, DatasetPage
from finery.db import make_room
from finery.domain import audit
from finery.domain.cursors import cut_page, parse_cursor
from finery.domain.datasets.blobs import NewFile, needs_its_data, store_blob
from finery.domain.datasets.errors import DatasetInUse, DatasetNameTaken
from finery.domain.datasets.queries import dataset_of, find_newest, lock_own, owned_by, owner_key, with_newest
from finery.domain.datasets.validation import ID_PREFIX, checked_name, checked_note, name_of_file
from finery.domain.datasets.versions import append_version
from finery.kit.clock import utc_now
from finery.models import DatasetPinRow, DatasetRow, RunRow

RUNS_SHOWN = 5


def create(
    session: Session,
    file: NewFile,
    *,
    actor: Principal,
    home: HomeDirectory,
    name: str | None = None,
    note: str | None = None,
    shared: bool = False,
) -> Dataset:
    """Create a dataset with its first version. Raises InvalidDatasetField, DatasetNameTaken.

    Without a name it gets its file's: another file of that name becomes the next version, and the same content again
    changes nothing.
    """
    dataset_name = checked_name(name) if name else name_of_file(file.filename)
    note = checked_note(note)
    row = _insert(session, dataset_name, shared=shared, actor=actor)
    if row is None and name:
        raise DatasetNameTaken(dataset_name)
    if row is None:
        own = select(DatasetRow).where(owned_by(actor), DatasetRow.name == dataset_name)
        row = session.scalars(own.with_for_update()).one()
        _, _, blob = find_newest(session, row.id, actor)
        if (blob.sha256, blob.suffix) == (file.sha256, file.suffix):
            return get(session, row.id, actor)
    append_version(session, row, store_blob(session, file, home), filename=file.filename, note=note, actor=actor)
    audit.name_target(session, row.id)
    return get(session, row.id, actor)


def get(session: Session, dataset_id: str, actor: Principal) -> Dataset:
    """Raises StoredDatasetNotFound."""
    return dataset_of(*find_newest(session, dataset_id, actor))


def list_page(
    session: Session,
    actor: Principal,
    *,
    limit: int,
    cursor: str | None = None,
    name: str | None = None,
    id_prefix: str | None = None,
    search: str | None = None,
) -> DatasetPage:
    """List datasets, newest first; with `name` only those of this name, with `id_prefix` those whose id begins so, with
    `search` those whose name holds it, in large or small letters.

    `cursor` is the `next_cursor` of the page before. Raises BadCursor.
    """
    query = with_newest(actor).order_by(DatasetRow.number.desc())
    if cursor is not None:
        query = query.where(DatasetRow.number < parse_cursor(cursor))
    if name is not None:
        query = query.where(DatasetRow.name == name)
    if id_prefix is not None:
        query = query.where(func.substr(DatasetRow.id, 1, len(id_prefix)) == id_prefix)
    if search is not None:
        query = query.where(DatasetRow.name.icontains(search, autoescape=True))
    found, next_cursor = cut_page(session.execute(query.limit(limit + 1)).all(), limit, lambda rows: rows[0].number)
    return DatasetPage(datasets=[dataset_of(*rows) for rows in found], next_cursor=next_cursor)


def change(
    session: Session, dataset_id: str, actor: Principal, *, name: str | None = None, shared: bool | None = None
) -> Dataset:
    """Rename a dataset, share it or stop sharing it. Raises DatasetNameTaken and what `lock_own` raises."""
    row = lock_own(session, dataset_id, actor)
    before = get(session, dataset_id, actor)
    if name is not None and name != row.name:
        _rename(session, row, checked_name(name))
    if shared is not None:
        row.shared = shared
    row.updated_at = utc_now()
    session.flush()
    audit.name_changes(session, before, after := get(session, dataset_id, actor))
    return after


def delete(session: Session, dataset_id: str, actor: Principal) -> None:
    """Delete a dataset with all versions; their files are removed later.

    Raises DatasetInUse while a run reads one of them that is not being cancelled, and what `lock_own` raises.
    """
    row = lock_own(session, dataset_id, actor)
    query = (
        select(RunRow.id)
        .join(DatasetPinRow, DatasetPinRow.run_number == RunRow.number)
        .where(DatasetPinRow.dataset_id == dataset_id, needs_its_data())
        .distinct()
        .limit(RUNS_SHOWN)
    )
    if run_ids := session.scalars(query).all():
        raise DatasetInUse(row.name, run_ids)
    make_room(session)
    session.delete(row)
    session.flush()


def _insert(session: Session, name: str, *, shared: bool, actor: Principal) -> DatasetRow | None:
    """Insert a row, or return None when the owner has a dataset of this name already."""
    now = utc_now()
    row = DatasetRow(
        id=f"{ID_PREFIX}{secrets.token_hex(8)}",
        owner_id=actor.user_id,
        owner_key=owner_key(actor),
        shared=shared,
        name=name,
        newest=0,
        created_at=now,
        updated_at=now,
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return None
    return row


def _rename(session: Session, row: DatasetRow, name: str) -> None:
    try:
        with session.begin_nested():
            row.name = name
    except IntegrityError as error:
        raise DatasetNameTaken(name) from error
