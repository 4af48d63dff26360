"""Lists runs page by page: filtered, sorted, counted."""

from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, defer

from finery.contracts.permissions import Principal
from finery.contracts.run import RunFilter, RunOrder, RunPage
from finery.contracts.run_sort import RunSort, SortDirection
from finery.domain.cursors import parse_cursor
from finery.domain.ownership import runs_visible_to
from finery.domain.runs.mapping import run_of
from finery.models import RunRow, UserRow

COLUMNS: dict[RunSort, InstrumentedAttribute[Any]] = {
    RunSort.CREATED: RunRow.number,
    RunSort.NAME: RunRow.name,
    RunSort.STATUS: RunRow.status,
    RunSort.RECIPE: RunRow.recipe,
    RunSort.FINISHED: RunRow.finished_at,
    RunSort.LOSS: RunRow.final_loss,
}
NEWEST_FIRST = RunOrder()


def list_page(
    session: Session,
    run_filter: RunFilter,
    actor: Principal,
    *,
    limit: int,
    order: RunOrder = NEWEST_FIRST,
    cursor: str | None = None,
    offset: int = 0,
    with_total: bool = False,
) -> RunPage:
    """List runs, newest first unless `order` says otherwise.

    `cursor` is the `next_cursor` of the page before. In order of creation, pages by cursor meet without gap or repeat,
    whatever comes meanwhile; in another order a cursor only counts runs. Raises BadCursor.
    """
    conditions = [*_conditions(run_filter), runs_visible_to(actor)]
    found = select(RunRow.number).where(*conditions)
    if cursor is not None and order.sort is RunSort.CREATED:
        found = found.where(_is_past(parse_cursor(cursor), order.direction))
    elif cursor is not None:
        offset += parse_cursor(cursor)
    # The numbers of a page come from an index alone, wherever it lies; only then are its rows read.
    page = found.order_by(*_in_order(order)).offset(offset).limit(limit + 1).subquery()
    query = select(RunRow).join(page, page.c.number == RunRow.number).order_by(*_in_order(order))
    # A JSON column takes as long to read as ten others, and the contract has none of these.
    rows = session.scalars(query.options(defer(RunRow.spec), defer(RunRow.controls))).all()
    return RunPage(
        runs=[run_of(row) for row in rows[:limit]],
        next_cursor=_next_cursor(rows[limit - 1], order, offset + limit) if len(rows) > limit > 0 else None,
        total=session.scalar(select(func.count()).select_from(RunRow).where(*conditions)) if with_total else None,
    )


def _is_past(number: int, direction: SortDirection) -> ColumnElement[bool]:
    return RunRow.number < number if direction is SortDirection.DESCENDING else RunRow.number > number


def _next_cursor(last: RunRow, order: RunOrder, seen: int) -> str:
    return str(last.number if order.sort is RunSort.CREATED else seen)


def _in_order(order: RunOrder) -> list[ColumnElement[Any]]:
    column, is_descending = COLUMNS[order.sort], order.direction is SortDirection.DESCENDING
    wanted = column.desc() if is_descending else column.asc()
    # The databases do not agree on where NULL belongs.
    return [wanted] if order.sort is RunSort.CREATED else [column.is_(None), wanted, RunRow.number.desc()]


def _conditions(wanted: RunFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.statuses:
        conditions.append(RunRow.status.in_(wanted.statuses))
    if wanted.recipe is not None:
        conditions.append(RunRow.recipe == wanted.recipe)
    if wanted.source is not None:
        conditions.append(RunRow.source == wanted.source)
    if wanted.sweep_id is not None:
        conditions.append(RunRow.sweep_id == wanted.sweep_id)
    if wanted.owner is not None:
        named: Select[str] = select(UserRow.id).where(UserRow.username == wanted.owner)
        conditions.append(or_(RunRow.owner_id == wanted.owner, RunRow.owner_id.in_(named)))
    if wanted.name_contains is not None:
        conditions.append(RunRow.name.icontains(wanted.name_contains, autoescape=True))
    if wanted.created_after is not None:
        conditions.append(RunRow.created_at >= wanted.created_after)
    if wanted.created_before is not None:
        conditions.append(RunRow.created_at <= wanted.created_before)
    return [*conditions, *_label_conditions(wanted), *_id_conditions(wanted.id_prefix)]


def _label_conditions(wanted: RunFilter) -> list[ColumnElement[bool]]:
    pairs = [*wanted.labels, *([wanted.label] if wanted.label is not None else [])]
    conditions: list[ColumnElement[bool]] = [RunRow.labels[name].as_string() == value for name, value in pairs]
    return [*conditions, cast(RunRow.labels, String) == "{}"] if wanted.without_labels else conditions


def _id_conditions(prefix: str | None) -> list[ColumnElement[bool]]:
    if prefix is None:
        return []
    # Unlike LIKE, this minds upper and lower case on every database.
    return [or_(*(func.substr(id, 1, len(prefix)) == prefix for id in (RunRow.id, RunRow.client_id)))]
