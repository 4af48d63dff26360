"""HTTP routes of `/jobs`: register jobs trained elsewhere and report their status; list, cancel, delete, read logs."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from finery.api.jobs.dialect import ERRORS, AnswerLanguage, IdempotencyKey, JobId, JobsRoute
from finery.api.jobs.mapping import STATUS_OF_REPORT, external_run, to_cancelled, to_filter, to_job, to_jobs, to_logs
from finery.api.jobs.schemas import Job, JobCancelled, JobLogs, NewJob, StatusReport, StatusWord
from finery.domain import runs
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext, CurrentServices
from finery.http.session import ReadSession, SubmitSession, WriteSession

MAX_JOBS = 1000
READ = Depends(Allow(Permission.RUNS_READ))
WRITE = Depends(Allow(Permission.RUNS_WRITE))

Limit = Annotated[int, Query(ge=1, le=MAX_JOBS, description=f"Without it, the newest {MAX_JOBS}.")]
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]
TrainingType = Annotated[str | None, Query(max_length=32)]
Tail = Annotated[int, Query(ge=0, le=2**31 - 1, description="How many of the last lines; 0: the whole log.")]

router = APIRouter(route_class=JobsRoute, tags=["jobs"], responses=ERRORS)


@router.get("/jobs", dependencies=[READ], response_model=list[Job])
def list_jobs(
    session: ReadSession,
    user: CurrentUser,
    status: StatusWord | None = None,
    training_type: TrainingType = None,
    limit: Limit = MAX_JOBS,
    offset: Offset = 0,
) -> Response:
    page = runs.list_page(session, to_filter(status, training_type), user, limit=limit, offset=offset)
    # Serialised here, since FastAPI would validate up to 1,000 jobs once more.
    return Response(to_jobs(page.runs), media_type="application/json")


@router.post("/jobs", dependencies=[WRITE], status_code=201, response_model=Job)
def create_job(
    body: NewJob, session: SubmitSession, context: CurrentContext, user: CurrentUser,
    idempotency_key: IdempotencyKey = None,
) -> dict[str, Any]:  # fmt: skip
    return to_job(runs.create(session, external_run(body, idempotency_key), context, user))


@router.get("/jobs/{job_id}", dependencies=[READ], response_model=Job)
def get_job(job_id: JobId, session: ReadSession, user: CurrentUser) -> dict[str, Any]:
    return to_job(runs.get(session, job_id, user))


@router.patch("/jobs/{job_id}/status", dependencies=[WRITE], response_model=Job)
def report_status(job_id: JobId, body: StatusReport, session: WriteSession, user: CurrentUser) -> dict[str, Any]:
    return to_job(runs.report(session, job_id, STATUS_OF_REPORT[body.status], body.error_message, user))


@router.post("/jobs/{job_id}/cancel", dependencies=[WRITE])
def cancel_job(job_id: JobId, session: WriteSession, user: CurrentUser, language: AnswerLanguage) -> JobCancelled:
    return to_cancelled(runs.request_cancel(session, job_id, user), language)


@router.delete("/jobs/{job_id}", dependencies=[WRITE], status_code=204)
def delete_job(job_id: JobId, session: WriteSession, context: CurrentContext, user: CurrentUser) -> None:
    runs.delete(session, job_id, context, user)


@router.get("/jobs/{job_id}/logs", dependencies=[READ], response_model=JobLogs)
def read_logs(
    job_id: JobId, session: ReadSession, services: CurrentServices, user: CurrentUser, tail: Tail = 100
) -> Response:
    path = runs.log_path(session, job_id, services.context, user)
    return StreamingResponse(to_logs(job_id, services.logs.tail(path, tail)), media_type="application/json")
