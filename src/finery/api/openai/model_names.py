"""Resolves the model names of requests, and answers 404 with a hint for unknown ones."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy.orm import Session

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.model_table import ModelTable
from finery.contracts.permissions import Principal
from finery.db import read_beside_write
from finery.domain import catalog
from finery.domain.catalog import ModelNotFound, ModelOnHub, ModelRefused, WordUnknown
from finery.domain.context import DomainContext
from finery.domain.errors import DomainError, ErrorKind
from finery.kit.suggest import nearest


class UnknownModel(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "model_not_found"

    def __init__(self, message: str, *, field: str = "model") -> None:
        super().__init__(message, field=field)


def find_model(
    session: Session,
    name: str,
    context: DomainContext,
    actor: Principal,
    *,
    field: str = "model",
    for_training: bool = False,
) -> catalog.ResolvedModel:
    """Returns the model of that name. Raises UnknownModel."""
    with model_errors_as_404(name, context.models, field=field, for_training=for_training):
        model = catalog.resolve(session, name, context, actor)
    # A single word is never taken for a hub's id: OpenAI's own models are called so, and they are here only where an
    # administrator has said what stands for them.
    if model.is_on_hub and model.entry is None and "/" not in name:
        raise _unlisted(name, context.models, field, for_training=for_training)
    return model


def check_models(session: Session, named: Mapping[str, str], context: DomainContext, actor: Principal) -> None:
    """Checks the model names in `named`, by their fields in the request. Raises UnknownModel."""
    with read_beside_write(session) as reading:
        for field, name in named.items():
            find_model(reading, name, context, actor, field=field, for_training=True)


@contextmanager
def model_errors_as_404(
    name: str, models: ModelTable, *, field: str = "model", for_training: bool = False
) -> Iterator[None]:
    """Turns errors about a model into UnknownModel, a 404, as OpenAI's clients expect."""
    try:
        yield
    except (ModelOnHub, WordUnknown) as error:
        if "/" in name:
            raise UnknownModel(str(error), field=field) from error
        raise _unlisted(name, models, field, for_training=for_training) from error
    except (ModelNotFound, ModelRefused) as error:
        raise UnknownModel(str(error), field=field) from error


def _unlisted(name: str, models: ModelTable, field: str, *, for_training: bool = False) -> UnknownModel:
    near = nearest(name[:200], [*models, *BUILTIN_MODELS])
    hint = f" (did you mean {near!r}?)" if near else ""
    known = f"it names {', '.join(sorted(models)[:20])}" if models else "it is empty"
    # A hub's model can be named where it is to be trained, and nowhere else.
    remedy = ", or name a hub's model as organization/name" if for_training else ""
    return UnknownModel(
        f"no model here stands for {name[:200]!r}{hint}: add it to the server's model table "
        f"(models.yaml; {known}){remedy}",
        field=field,
    )
