"""Between the models that can be named and OpenAI's."""

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

TOLD_KINDS = frozenset({"alias", "built-in", "fine-tuned"})
"""An output's path stands for the same as its fine-tuned name."""


def to_list(models: Iterable[ModelInfo]) -> ModelList:
    return ModelList(data=[_told(model) for model in models if model.kind in TOLD_KINDS])


def described(session: Session, name: str, context: DomainContext, actor: Principal) -> Model:
    """Of what is here under that name, be it listed or not. Raises UnknownModel."""
    found = find_model(session, name, context, actor)
    listed = {model.name: model for model in catalog.list_models(session, context, actor)}
    if name in listed:
        return _told(listed[name])
    if found.is_on_hub:
        raise UnknownModel(
            f"{name[:200]!r} is no model of this server; as a hub's name it can be trained and deployed, "
            "and whether the hub has it shows then"
        )
    return Model(id=name, created=0, owned_by=ORGANIZATION)


def forget(session: Session, name: str, actor: Principal, home: HomeDirectory) -> ForgottenOutput | None:
    """As runs.forget_output. Raises UnknownModel for what was not fine-tuned here."""
    found = parse_fine_tuned(name)
    if found is None or found.step is not None:
        raise UnknownModel(f"{name[:200]!r} is no fine-tuned model; only such can be deleted")
    for run_id in found.run_ids:
        try:
            return runs.forget_output(session, run_id, actor, home)
        except RunNotFound:
            continue
    raise UnknownModel(f"there is no fine-tuned model {name[:200]!r}")


def _told(model: ModelInfo) -> Model:
    created = int(model.created_at.timestamp()) if model.created_at is not None else 0
    return Model(id=model.name, created=created, owned_by=ORGANIZATION)
