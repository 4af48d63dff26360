"""The catalog of models that a request can name: built in, in a folder, made by a run, or on a hub."""

from finery.domain.catalog.errors import ModelAmbiguous, ModelNotFound, ModelOnHub, ModelRefused, WordUnknown
from finery.domain.catalog.listing import list_models
from finery.domain.catalog.resolution import ResolvedModel, resolve

__all__ = [
    "ModelAmbiguous",
    "ModelNotFound",
    "ModelOnHub",
    "ModelRefused",
    "ResolvedModel",
    "WordUnknown",
    "list_models",
    "resolve",
]
