"""Errors of resolving the name of a model."""

from finery.domain.errors import DomainError, ErrorKind


class ModelNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "model_not_found"

    def __init__(self, message: str) -> None:
        super().__init__(message, field="model_name")


class ModelOnHub(ModelNotFound):
    """The name may be a model of a hub, and no local model has it."""


class WordUnknown(ModelNotFound):
    """A single word that names no model."""


class ModelRefused(DomainError):
    """The model exists but cannot be used; the message says why and what to do."""

    kind = ErrorKind.INVALID
    code = "model_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, field="model_name")


class ModelAmbiguous(ModelRefused):
    """The name has two meanings; the message says how to write each."""

    code = "model_ambiguous"
