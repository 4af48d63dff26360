"""HTTP routes of `/v1/models`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from finery.api.openai.dialect import ERRORS, PREFIX, OpenAIRoute
from finery.api.openai.model_mapping import describe_model, forget_model, to_list
from finery.api.openai.model_schemas import Model, ModelDeleted, ModelList
from finery.api.openai.pages import refuse_unknown_parameters
from finery.domain import catalog
from finery.domain.runs import output_removal
from finery.http.admission import WRITES, in_lane
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import CurrentTransactions, ReadSession, transact

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
    with transactions.begin() as session:
        forgotten = forget_model(session, model, transactions.user, context.home)
    # After a crash in between, the forgotten output is still on record, and its files are removed later.
    if forgotten is not None:
        output_removal.remove_files(forgotten)
        transact(transactions.services, lambda session: output_removal.finish_removal(session, forgotten))
    return ModelDeleted(id=model)
