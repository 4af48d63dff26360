"""HTTP route of `/api/v1/queue`: the queue in its order, and who holds which device."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.api.native.mapping import to_queue
from finery.contracts import queue
from finery.domain import runs
from finery.http.languages import ENGLISH, Language, in_language
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import ReadSession

READ = Depends(Allow(Permission.RUNS_READ))
AnswerLanguage = Annotated[Language, Depends(in_language(ENGLISH))]
After = Annotated[int, Query(ge=0, le=2**31 - 1, description="`next_after` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=1000)]

router = APIRouter(prefix=f"{PREFIX}/queue", route_class=NativeRoute, tags=["queue"], responses=ERRORS)


@router.get("", dependencies=[READ])
def list_queue(
    session: ReadSession, context: CurrentContext, user: CurrentUser, language: AnswerLanguage,
    after: After = 0, limit: Limit = 100,
) -> queue.Queue:  # fmt: skip
    """Lists the queued runs that the caller may see, with their places among all users' runs and what each waits for,
    and who holds which device. Sentences follow Accept-Language."""
    return to_queue(runs.queue_page(session, context.machine(), user, after=after, limit=limit), language)
