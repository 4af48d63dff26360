from finery.domain.errors import DomainError, ErrorKind


class ModelNotFound(DomainError):
    kind = ErrorKind.NOT_FOUND
    code = "model_not_found"

    def __init__(self, message: str) -> None:
        super().__init__(message, field="model_name")


class ModelOnHub(ModelNotFound):
    """It might be a hub's, and nothing here stands for it."""


class WordUnknown(ModelNotFound):
    """A single word that is nobody's name."""


class ModelRefused(DomainError):
    """It is there, but it cannot be used; the message says why and what to do."""

    kind = ErrorKind.INVALID
    code = "model_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, field="model_name")


class ModelAmbiguous(ModelRefused):
    """The name has two meanings; the message says how to write each."""

    code = "model_ambiguous"
