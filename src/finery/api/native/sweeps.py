"""HTTP routes of `/api/v1/sweeps`: runs of one request that differ in some fields of their configuration."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from finery.api.native.dialect import ERRORS, PREFIX, IdempotencyKey, NativeRoute, SweepId
from finery.api.native.mapping import to_new_sweep
from finery.api.native.schemas import CreateSweepRequest
from finery.contracts.sweeps import Goal, MetricName, SweepChanges, SweepDetails, SweepPage
from finery.domain import sweeps
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import ReadSession, SubmitSession, WriteSession

READ = Depends(Allow(Permission.RUNS_READ))
WRITE = Depends(Allow(Permission.RUNS_WRITE))

Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=32, description="`next_cursor` of the page before.")]
Metric = Annotated[MetricName | None, Query(description="Rank by this metric instead of the sweep's own.")]
RankFor = Annotated[Goal | None, Query(alias="goal", description="Whether its smallest or its largest is the best.")]
WithRuns = Annotated[bool, Query(alias="runs", description="Delete its runs, too; by default they stay.")]

router = APIRouter(prefix=f"{PREFIX}/sweeps", route_class=NativeRoute, tags=["sweeps"], responses=ERRORS)


@router.post("", dependencies=[WRITE], status_code=201)
def create_sweep(
    body: CreateSweepRequest, session: SubmitSession, context: CurrentContext, user: CurrentUser,
    idempotency_key: IdempotencyKey = None,
) -> SweepDetails:  # fmt: skip
    """Creates a run for each combination of the values in the configuration: all of them, or none."""
    return sweeps.create(session, to_new_sweep(body, idempotency_key), context, user)


@router.get("", dependencies=[READ])
def list_sweeps(session: ReadSession, user: CurrentUser, limit: Limit = 100, cursor: Cursor = None) -> SweepPage:
    return sweeps.list_page(session, user, limit=limit, cursor=cursor)


@router.get("/{sweep_id}", dependencies=[READ])
def get_sweep(
    sweep_id: SweepId, session: ReadSession, user: CurrentUser, metric: Metric = None, goal: RankFor = None
) -> SweepDetails:
    """Answers with a sweep and its runs: what differs, the metric's value of each, and which is the best."""
    return sweeps.get(session, sweep_id, user, metric=metric, goal=goal)


@router.patch("/{sweep_id}", dependencies=[WRITE])
def change_sweep(sweep_id: SweepId, body: SweepChanges, session: WriteSession, user: CurrentUser) -> SweepDetails:
    """Changes the name, by what the best is found, and whether it is shared with its runs."""
    return sweeps.change(session, sweep_id, body, user)


@router.post("/{sweep_id}/cancel", dependencies=[WRITE])
def cancel_sweep(sweep_id: SweepId, session: WriteSession, user: CurrentUser) -> SweepDetails:
    """Cancels all of its runs that have not ended."""
    return sweeps.cancel(session, sweep_id, user)


@router.delete("/{sweep_id}", dependencies=[WRITE], status_code=204)
def delete_sweep(
    sweep_id: SweepId, session: WriteSession, context: CurrentContext, user: CurrentUser, with_runs: WithRuns = False
) -> None:
    """Deletes the sweep. Its runs stay, unless `runs` is true and all of them have ended."""
    sweeps.delete(session, sweep_id, context, user, with_runs=with_runs)
