"""Lists and describes models for `/v1/models` in OpenAI's form, and marks a fine-tuned one's output for deletion."""

from collections.abc import Iterable

from sqlalchemy.orm import Session

from finery.api.openai.model_names import UnknownModel, find_model
from finery.api.openai.model_schemas import Model, ModelList
from finery.contracts.deployment import ModelInfo
from finery.contracts.layout import HomeDirectory
from finery.contracts.model_names import ORGANIZATION, parse_fine_tuned
from finery.contracts.permissions import Principal
from finery.domain import catalog, runs
from finery.domain.context import DomainContext
from finery.domain.runs.errors import RunNotFound
from finery.domain.runs.output_removal import ForgottenOutput

LISTED_KINDS = frozenset({"alias", "built-in", "fine-tuned"})
"""Without outputs: an output's path stands for the same model as its fine-tuned name."""


def to_list(models: Iterable[ModelInfo]) -> ModelList:
    return ModelList(data=[_to_model(model) for model in models if model.kind in LISTED_KINDS])


def describe_model(session: Session, name: str, context: DomainContext, actor: Principal) -> Model:
    """Describes the model of that name, be it listed or not. Raises UnknownModel."""
    resolved = find_model(session, name, context, actor)
    listed = {model.name: model for model in catalog.list_models(session, context, actor)}
    if name in listed:
        return _to_model(listed[name])
    if resolved.is_on_hub:
        raise UnknownModel(
            f"{name[:200]!r} is no model of this server; as a hub's name it can be trained and deployed, "
            "and whether the hub has it shows then"
        )
    return Model(id=name, created=0, owned_by=ORGANIZATION)


def forget_model(session: Session, name: str, actor: Principal, home: HomeDirectory) -> ForgottenOutput | None:
    """Forgets the output of the model's run (see runs.forget_output). Raises UnknownModel if no run here made it."""
    fine_tuned = parse_fine_tuned(name)
    if fine_tuned is None or fine_tuned.step is not None:
        raise UnknownModel(f"{name[:200]!r} is no fine-tuned model; only such can be deleted")
    for run_id in fine_tuned.run_ids:
        try:
            return runs.forget_output(session, run_id, actor, home)
        except RunNotFound:
            continue
    raise UnknownModel(f"there is no fine-tuned model {name[:200]!r}")


def _to_model(model: ModelInfo) -> Model:
    created = int(model.created_at.timestamp()) if model.created_at is not None else 0
    return Model(id=model.name, created=created, owned_by=ORGANIZATION)
