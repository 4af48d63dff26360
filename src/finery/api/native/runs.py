"""HTTP routes of `/api/v1/runs`: create, list, change, control and delete runs."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from finery.api.native.dialect import ERRORS, PREFIX, IdempotencyKey, NativeRoute, RunId
from finery.api.native.mapping import to_new_run
from finery.api.native.run_list_schema import RunListQuery, to_filter, to_order
from finery.api.native.schemas import CreateRunRequest
from finery.contracts.run import Run, RunChanges, RunPage
from finery.domain import runs
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import ReadSession, SubmitSession, WriteSession

READ = Depends(Allow(Permission.RUNS_READ))
WRITE = Depends(Allow(Permission.RUNS_WRITE))

router = APIRouter(prefix=f"{PREFIX}/runs", route_class=NativeRoute, tags=["runs"], responses=ERRORS)


@router.post("", dependencies=[WRITE], status_code=201)
def create_run(
    body: CreateRunRequest, session: SubmitSession, context: CurrentContext, user: CurrentUser,
    idempotency_key: IdempotencyKey = None,
) -> Run:  # fmt: skip
    return runs.create(session, to_new_run(body, idempotency_key), context, user)


@router.get("", dependencies=[READ], response_model=RunPage)
def list_runs(session: ReadSession, user: CurrentUser, query: Annotated[RunListQuery, Query()]) -> Response:
    page = runs.list_page(
        session, to_filter(query), user, order=to_order(query),
        limit=query.limit, cursor=query.cursor, offset=query.offset, with_total=query.with_total,
    )  # fmt: skip
    # Serialised here, since FastAPI would validate up to 1,000 runs a second time.
    return Response(page.model_dump_json(), media_type="application/json")


@router.get("/{run_id}", dependencies=[READ])
def get_run(run_id: RunId, session: ReadSession, user: CurrentUser) -> Run:
    return runs.get(session, run_id, user)


@router.patch("/{run_id}", dependencies=[WRITE])
def change_run(run_id: RunId, body: RunChanges, session: WriteSession, user: CurrentUser) -> Run:
    """Changes the name, the labels, and whether the run is shared."""
    return runs.change(session, run_id, body, user)


@router.post("/{run_id}/cancel", dependencies=[WRITE])
def cancel_run(run_id: RunId, session: WriteSession, user: CurrentUser) -> Run:
    return runs.request_cancel(session, run_id, user)


@router.post("/{run_id}/pause", dependencies=[WRITE])
def pause_run(run_id: RunId, session: WriteSession, user: CurrentUser) -> Run:
    return runs.request_pause(session, run_id, user)


@router.post("/{run_id}/resume", dependencies=[WRITE])
def resume_run(run_id: RunId, session: SubmitSession, context: CurrentContext, user: CurrentUser) -> Run:
    """Queues a paused run again. Of a run that has ended, creates a new run that begins from its last whole checkpoint;
    the new run's `resumed_from` names it."""
    return runs.resume(session, run_id, user, context)


@router.post("/{run_id}/stop", dependencies=[WRITE])
def stop_run(run_id: RunId, session: WriteSession, user: CurrentUser) -> Run:
    return runs.request_stop(session, run_id, user)


@router.post("/{run_id}/checkpoint", dependencies=[WRITE])
def save_checkpoint(run_id: RunId, session: WriteSession, user: CurrentUser) -> Run:
    return runs.request_checkpoint(session, run_id, user)


@router.delete("/{run_id}", dependencies=[WRITE], status_code=204)
def delete_run(run_id: RunId, session: WriteSession, context: CurrentContext, user: CurrentUser) -> None:
    runs.delete(session, run_id, context, user)
