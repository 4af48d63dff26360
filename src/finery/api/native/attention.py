"""HTTP routes of what needs attention: `/api/v1/attention`, and of one run."""

from typing import Annotated

from fastapi import APIRouter, Depends

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute, RunId
from finery.api.native.mapping import to_attention_list
from finery.contracts.attention import AttentionList
from finery.domain import attention
from finery.http.languages import ENGLISH, Language, in_language
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.session import ReadSession

READ = Depends(Allow(Permission.RUNS_READ))
AnswerLanguage = Annotated[Language, Depends(in_language(ENGLISH))]

router = APIRouter(prefix=PREFIX, route_class=NativeRoute, tags=["attention"], responses=ERRORS)


@router.get("/attention", dependencies=[READ])
def list_attention(session: ReadSession, user: CurrentUser, language: AnswerLanguage) -> AttentionList:
    """Lists what needs attention now, errors first: of the runs that the caller may change, and for those who see
    everyone's runs also of the machine. Sentences follow Accept-Language."""
    return to_attention_list(attention.list_open(session, user), language)


@router.get("/runs/{run_id}/attention", dependencies=[READ])
def list_run_attention(
    run_id: RunId, session: ReadSession, user: CurrentUser, language: AnswerLanguage
) -> AttentionList:
    """Lists what needs attention now of one run. Sentences follow Accept-Language."""
    return to_attention_list(attention.list_for_run(session, run_id, user), language)
