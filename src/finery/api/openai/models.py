"""HTTP routes of `/v1/models`."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from finery.api.openai.dialect import ERRORS, PREFIX, OpenAIRoute
from finery.api.openai.model_mapping import describe_model, forget_model, to_list
from finery.api.openai.model_schemas import Model, ModelDeleted, ModelList
from finery.api.openai.pages import refuse_unknown_parameters
from finery.domain import catalog
from finery.http.admission import WRITES, in_lane
from finery.http.model_removal import remove_model
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import CurrentTransactions, ReadSession

READ = Depends(Allow(Permission.MODELS_READ))
ModelName = Annotated[str, Path(min_length=1, max_length=4096)]

router = APIRouter(
    prefix=f"{PREFIX}/models",
    route_class=OpenAIRoute,
    tags=["openai: models"],
    responses=ERRORS,
    dependencies=[Depends(refuse_unknown_parameters)],
)


@router.get("", dependencies=[READ])
def list_models(session: ReadSession, context: CurrentContext, user: CurrentUser) -> ModelList:
    """Lists the administrator's names, the built-in models, and the fine-tuned ones."""
    return to_list(catalog.list_models(session, context, user))


@router.get("/{model:path}", dependencies=[READ])
def retrieve_model(model: ModelName, session: ReadSession, context: CurrentContext, user: CurrentUser) -> Model:
    return describe_model(session, model, context, user)


@router.delete("/{model:path}", dependencies=[Depends(Allow(Permission.RUNS_WRITE))])
@in_lane(WRITES)
def delete_model(model: ModelName, transactions: CurrentTransactions, context: CurrentContext) -> ModelDeleted:
    """Deletes a fine-tuned model's files and checkpoints; its job stays."""
    remove_model(transactions, partial(forget_model, name=model, actor=transactions.user, home=context.home))
    return ModelDeleted(id=model)
