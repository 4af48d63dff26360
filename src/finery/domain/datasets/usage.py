"""Tells which runs read a dataset."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Principal
from finery.contracts.status import RunStatus
from finery.contracts.stored_datasets import DatasetUse, DatasetUsePage
from finery.domain.cursors import cut_page, parse_cursor
from finery.domain.datasets.queries import find_newest
from finery.domain.ownership import SHOWN_ID, runs_visible_to
from finery.models import DatasetPinRow, RunRow


def list_uses(
    session: Session, dataset_id: str, actor: Principal, *, limit: int, cursor: str | None = None
) -> DatasetUsePage:
    """List the runs that `actor` may see and that read a version, newest first.

    A run that reads it twice, for training and for evaluation, stands there twice, on one page. Raises
    StoredDatasetNotFound, BadCursor.
    """
    find_newest(session, dataset_id, actor)
    numbers = (
        select(DatasetPinRow.run_number)
        .join(RunRow, RunRow.number == DatasetPinRow.run_number)
        .where(DatasetPinRow.dataset_id == dataset_id, runs_visible_to(actor))
        .distinct()
        .order_by(DatasetPinRow.run_number.desc())
    )
    if cursor is not None:
        numbers = numbers.where(DatasetPinRow.run_number < parse_cursor(cursor))
    found, next_cursor = cut_page(session.scalars(numbers.limit(limit + 1)).all(), limit, lambda number: number)
    query = (
        select(RunRow, SHOWN_ID, DatasetPinRow)
        .join(DatasetPinRow, DatasetPinRow.run_number == RunRow.number)
        .where(DatasetPinRow.dataset_id == dataset_id, RunRow.number.in_(found))
        .order_by(RunRow.number.desc(), DatasetPinRow.field)
    )
    return DatasetUsePage(uses=[_use_of(*rows) for rows in session.execute(query)], next_cursor=next_cursor)


def _use_of(run: RunRow, run_id: str, pin: DatasetPinRow) -> DatasetUse:
    return DatasetUse(
        run_id=run_id,
        run_name=run.name,
        recipe=run.recipe,
        status=RunStatus(run.status),
        config_field=pin.field,
        version=pin.version or 0,
        created_at=run.created_at,
    )
