"""HTTP routes of `/v1/fine_tuning/alpha/graders`: a grader is checked, and tried on one answer."""

from fastapi import APIRouter, Depends, Request

from finery.api.openai.dialect import ERRORS, PREFIX, OpenAIRoute
from finery.api.openai.grader_schemas import (
    GraderRun,
    GraderValidated,
    RunGraderRequest,
    ValidateGraderRequest,
)
from finery.api.openai.grader_trials import checked_grader, graded
from finery.api.openai.pages import refuse_unknown_parameters
from finery.http.engine_startup import while_connected
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext, CurrentServices
from finery.http.session import ReadSession

WRITE = Depends(Allow(Permission.RUNS_WRITE))

router = APIRouter(
    prefix=f"{PREFIX}/fine_tuning/alpha/graders",
    route_class=OpenAIRoute,
    tags=["openai: fine-tuning"],
    responses=ERRORS,
    dependencies=[Depends(refuse_unknown_parameters)],
)


@router.post("/validate", dependencies=[WRITE])
def validate_grader(
    body: ValidateGraderRequest, session: ReadSession, context: CurrentContext, user: CurrentUser
) -> GraderValidated:
    """Checks a grader as a job's would be, its models' names included."""
    return GraderValidated(grader=checked_grader(session, body.grader, context, user).model_dump(mode="json"))


@router.post("/run", dependencies=[WRITE])
async def run_grader(
    request: Request, body: RunGraderRequest, services: CurrentServices, user: CurrentUser
) -> GraderRun:
    """Grades one answer as a training would; a judge's model is asked as `/v1/chat/completions` asks it."""
    return await while_connected(request, graded(services, body, user))
