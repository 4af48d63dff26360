"""HTTP routes of `/train/sft`, `/train/dpo` and `/upload/dataset`."""

from fastapi import APIRouter, Depends, Request

from finery.api.jobs.dialect import ERRORS, AnswerLanguage, IdempotencyKey, JobsRoute
from finery.api.jobs.mapping import to_accepted, to_uploaded, training_run
from finery.api.jobs.schemas import Accepted, DpoRequest, SftRequest, UploadedFile
from finery.domain import audit, runs
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import CurrentTransactions, SubmitSession
from finery.http.uploads import FILE_FORM, keep_upload, receive_upload

router = APIRouter(route_class=JobsRoute, tags=["jobs: trainings"], responses=ERRORS)


@router.post("/train/sft", summary="Start Supervised Fine-Tuning", dependencies=[Depends(Allow(Permission.RUNS_WRITE))])
def start_sft(
    body: SftRequest, session: SubmitSession, context: CurrentContext, user: CurrentUser,
    language: AnswerLanguage, idempotency_key: IdempotencyKey = None,
) -> Accepted:  # fmt: skip
    run = runs.create(session, training_run("sft", body, idempotency_key), context, user)
    return to_accepted(run, language)


@router.post(
    "/train/dpo", summary="Start Preference Optimisation", dependencies=[Depends(Allow(Permission.RUNS_WRITE))]
)
def start_dpo(
    body: DpoRequest, session: SubmitSession, context: CurrentContext, user: CurrentUser,
    language: AnswerLanguage, idempotency_key: IdempotencyKey = None,
) -> Accepted:  # fmt: skip
    run = runs.create(session, training_run("dpo", body, idempotency_key), context, user)
    return to_accepted(run, language)


@router.post("/upload/dataset", dependencies=[Depends(Allow(Permission.DATASETS_WRITE))], openapi_extra=FILE_FORM)
async def upload_dataset(
    request: Request, context: CurrentContext, transactions: CurrentTransactions, language: AnswerLanguage
) -> UploadedFile:
    upload = await keep_upload(await receive_upload(request, context.home.uploads), context.home)
    file = to_uploaded(upload, context, language)
    await transactions.run(lambda session: audit.name_target(session, file.file_path))
    return file
