"""HTTP routes of `/v1/fine_tuning/jobs`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from finery.api.openai.dialect import ERRORS, PREFIX, After, IdempotencyKey, JobId, OpenAIRoute, RetryCount, is_retry
from finery.api.openai.fine_tuning_field_paths import errors_with_request_fields
from finery.api.openai.fine_tuning_mapping import models_named, to_job, to_new_run
from finery.api.openai.fine_tuning_pages import checkpoint_page, control_job, event_page, job_filter, job_page, job_run
from finery.api.openai.fine_tuning_schemas import CheckpointPage, CreateJobRequest, EventPage, FineTuningJob, JobPage
from finery.api.openai.model_names import check_models
from finery.api.openai.pages import refuse_unknown_parameters
from finery.contracts.status import RunStatus
from finery.domain import runs
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import ReadSession, SubmitSession, WriteSession

READ = Depends(Allow(Permission.RUNS_READ))
WRITE = Depends(Allow(Permission.RUNS_WRITE))
KNOWN = Depends(refuse_unknown_parameters)
Limit = Annotated[int, Query(ge=1, le=100)]

router = APIRouter(
    prefix=f"{PREFIX}/fine_tuning/jobs", route_class=OpenAIRoute, tags=["openai: fine-tuning"], responses=ERRORS
)


@router.post("", dependencies=[WRITE, KNOWN])
def create_fine_tuning_job(
    body: CreateJobRequest,
    session: SubmitSession,
    context: CurrentContext,
    user: CurrentUser,
    idempotency_key: IdempotencyKey = None,
    retried: RetryCount = None,
) -> FineTuningJob:
    """Creates a job. One whose data are bad is created, too, and has failed: its `error` and its events say why."""
    new = to_new_run(body, idempotency_key, is_retry=is_retry(retried))
    with errors_with_request_fields(body):
        return to_job(
            runs.create(
                session, new, context, user, check=lambda: check_models(session, models_named(body), context, user)
            )
        )


@router.get("", dependencies=[READ])
def list_fine_tuning_jobs(
    request: Request, session: ReadSession, user: CurrentUser, after: After = None, limit: Limit = 20
) -> JobPage:
    """Lists jobs; `metadata[key]=value` filters them, and may be given several times."""
    return job_page(session, job_filter(request.query_params), user, after=after, limit=limit)


@router.get("/{fine_tuning_job_id}", dependencies=[READ, KNOWN])
def retrieve_fine_tuning_job(fine_tuning_job_id: JobId, session: ReadSession, user: CurrentUser) -> FineTuningJob:
    return to_job(job_run(session, fine_tuning_job_id, user))


@router.post("/{fine_tuning_job_id}/cancel", dependencies=[WRITE, KNOWN])
def cancel_fine_tuning_job(
    fine_tuning_job_id: JobId, session: WriteSession, user: CurrentUser, retried: RetryCount = None
) -> FineTuningJob:
    done = {RunStatus.CANCELLED} if is_retry(retried) else set()
    return to_job(control_job(session, fine_tuning_job_id, user, runs.request_cancel, done=done))


@router.post("/{fine_tuning_job_id}/pause", dependencies=[WRITE, KNOWN])
def pause_fine_tuning_job(
    fine_tuning_job_id: JobId, session: WriteSession, user: CurrentUser, retried: RetryCount = None
) -> FineTuningJob:
    done = {RunStatus.PAUSED} if is_retry(retried) else set()
    return to_job(control_job(session, fine_tuning_job_id, user, runs.request_pause, done=done))


@router.post("/{fine_tuning_job_id}/resume", dependencies=[WRITE, KNOWN])
def resume_fine_tuning_job(
    fine_tuning_job_id: JobId,
    session: SubmitSession,
    context: CurrentContext,
    user: CurrentUser,
    retried: RetryCount = None,
) -> FineTuningJob:
    """Queues a paused job again. Of a job that has ended, creates a new one that begins from its last checkpoint."""
    done = {RunStatus.QUEUED, RunStatus.STARTING, RunStatus.RUNNING} if is_retry(retried) else set()
    return to_job(control_job(session, fine_tuning_job_id, user, partial(runs.resume, context=context), done=done))


@router.get("/{fine_tuning_job_id}/events", dependencies=[READ, KNOWN])
def list_fine_tuning_events(
    fine_tuning_job_id: JobId, session: ReadSession, user: CurrentUser, after: After = None, limit: Limit = 20
) -> EventPage:
    """Lists the job's events, newest first."""
    return event_page(session, job_run(session, fine_tuning_job_id, user), user, after=after, limit=limit)


@router.get("/{fine_tuning_job_id}/checkpoints", dependencies=[READ, KNOWN])
def list_fine_tuning_checkpoints(
    fine_tuning_job_id: JobId, session: ReadSession, user: CurrentUser, after: After = None, limit: Limit = 10
) -> CheckpointPage:
    """Lists the checkpoints that are still there, newest first."""
    return checkpoint_page(session, job_run(session, fine_tuning_job_id, user), user, after=after, limit=limit)
