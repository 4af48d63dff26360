"""The names of models in requests, and what is said where nothing has such a name."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from finery.contracts.model_table import ModelTable
from finery.domain.catalog import ModelNotFound, ModelRefused
from finery.domain.errors import DomainError, ErrorKind, Flaw
from finery.http.problems import RequestRefused, invalid_request

_OPENAIS = re.compile(
    r"(gpt-\d|gpt-oss|chatgpt|o\d(-|$)|davinci|babbage|curie|ada(-|$)|text-|codex|computer-use)[^/]*$"
)


class UnknownModel(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "model_not_found"

    def __init__(self, message: str, *, field: str = "model") -> None:
        super().__init__(message, field=field)


def refuse_unlisted(model: str, models: ModelTable, *, field: str = "model") -> None:
    """OpenAI's own models are here only where an administrator has said what stands for them. Raises UnknownModel."""
    if _OPENAIS.match(model) and model not in models:
        known = f"it names {', '.join(sorted(models)[:20])}" if models else "it is empty"
        raise UnknownModel(
            f"no model here stands for {model!r}: add it to the server's model table (models.yaml); {known}",
            field=field,
        )


def named_model(body: Mapping[str, Any], models: ModelTable) -> str:
    """Raises RequestRefused, UnknownModel."""
    name = body.get("model")
    if not isinstance(name, str) or not 0 < len(name) <= 4096:
        raise RequestRefused(
            invalid_request([Flaw("model", "is needed: the name of a model, as /v1/models lists them")])
        )
    refuse_unlisted(name, models)
    return name


@contextmanager
def unknown_model() -> Iterator[None]:
    """Here a model that is not there is a 404, as OpenAI's clients expect."""
    try:
        yield
    except (ModelNotFound, ModelRefused) as error:
        raise UnknownModel(str(error)) from error
