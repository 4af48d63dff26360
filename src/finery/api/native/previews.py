"""HTTP route `/api/v1/runs/preview`: what would come of a request for a run or sweep."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.api.native.mapping import to_new_sweep, to_preview
from finery.api.native.schemas import CreateSweepRequest
from finery.contracts.previews import RunPreview
from finery.domain import sweeps
from finery.http.admission import SUBMISSIONS
from finery.http.languages import ENGLISH, Language, in_language
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext, CurrentServices
from finery.http.session import SessionOf

WRITE = Depends(Allow(Permission.RUNS_WRITE))
AnswerLanguage = Annotated[Language, Depends(in_language(ENGLISH))]
LookingSession = Annotated[Session, SessionOf(SUBMISSIONS, CurrentServices, lambda services: services.database.read())]
"""It reads data and models, as a submission does."""

router = APIRouter(prefix=f"{PREFIX}/runs", route_class=NativeRoute, tags=["runs"], responses=ERRORS)


@router.post("/preview", dependencies=[WRITE])
def preview_run(
    body: CreateSweepRequest, session: LookingSession, context: CurrentContext, user: CurrentUser,
    language: AnswerLanguage,
) -> RunPreview:  # fmt: skip
    """Tells what a run would be, or the runs of a sweep: what refuses it by field, what `auto` chooses and why, the
    memory that it needs, and where it would stand in the queue. Nothing is written; sentences follow Accept-Language.
    """
    return to_preview(sweeps.preview(session, to_new_sweep(body, None).run, context, user), language)
