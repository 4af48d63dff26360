"""The query of `GET /api/v1/runs`."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field

from finery.contracts.run import RunFilter, RunOrder
from finery.contracts.run_sort import RunSort, SortDirection
from finery.contracts.status import RunStatus
from finery.domain.errors import Issue
from finery.http.problems import RequestRefused, invalid_request

LONGEST_CURSOR = 32
MOST_SKIPPED = 1_000_000
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _storable(at: datetime) -> datetime:
    if not FIRST <= at <= LAST:
        raise ValueError("choose a time between 1970 and 9000")
    return at


Instant = Annotated[AwareDatetime, AfterValidator(_storable)]


class RunListQuery(BaseModel):
    status: Annotated[list[RunStatus], Field(max_length=20, description="May be given several times.")] = []
    recipe: Annotated[str | None, Field(max_length=32)] = None
    label: Annotated[str | None, Field(max_length=401, description="`name=value`")] = None
    owner: Annotated[str | None, Field(max_length=128, description="A user's name or id.")] = None
    name: Annotated[
        str | None, Field(max_length=200, description="Only runs whose name contains this, in upper or lower case.")
    ] = None
    id_prefix: Annotated[
        str | None, Field(min_length=1, max_length=128, description="Only runs whose id begins so.")
    ] = None
    sweep: Annotated[str | None, Field(min_length=1, max_length=64, description="Only the runs of this sweep.")] = None
    created_after: Annotated[Instant | None, Field(description="With its zone: `2026-12-01T00:00:00Z`.")] = None
    created_before: Annotated[Instant | None, Field(description="With its zone: `2026-12-01T00:00:00Z`.")] = None
    sort: Annotated[RunSort, Field(description="Runs without what they are sorted by come last.")] = RunSort.CREATED
    direction: SortDirection = SortDirection.DESCENDING
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str | None, Field(max_length=LONGEST_CURSOR, description="`next_cursor` of the page before.")] = (
        None
    )
    offset: Annotated[
        int, Field(ge=0, le=MOST_SKIPPED, description="Skips so many runs, to look at a page in the middle.")
    ] = 0
    with_total: Annotated[bool, Field(description="Whether the answer says how many runs there are.")] = False


def to_filter(query: RunListQuery) -> RunFilter:
    return RunFilter(
        statuses=frozenset(query.status),
        recipe=query.recipe,
        label=_parse_label(query.label),
        owner=query.owner,
        name_contains=query.name,
        id_prefix=query.id_prefix,
        sweep_id=query.sweep,
        created_after=query.created_after,
        created_before=query.created_before,
    )


def to_order(query: RunListQuery) -> RunOrder:
    return RunOrder(sort=query.sort, direction=query.direction)


def _parse_label(label: str | None) -> tuple[str, str] | None:
    if label is None:
        return None
    name, equals, value = label.partition("=")
    if not name or not equals or '"' in name:
        raise RequestRefused(invalid_request([Issue("label", "write it as name=value")]))
    return name, value
