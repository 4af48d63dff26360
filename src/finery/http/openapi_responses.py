"""OpenAPI descriptions of error, file and range responses, for a route's `responses`."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

OpenApiResponses = dict[int | str, dict[str, Any]]
SCHEMAS = "#/components/schemas/"


def errors(model: type[BaseModel], *statuses: int) -> OpenApiResponses:
    """Returns a dialect's error responses, in the shape of `model`, which `shapes` adds to the document."""
    # By its name only: from a model FastAPI would make a validator for each status of each route, a thousand in all,
    # which would take a third of the server's start.
    schema = {"application/json": {"schema": {"$ref": f"{SCHEMAS}{model.__name__}"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": schema} for status in statuses}


def shapes(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """Returns the schemas of these models and of the models in them."""
    _, found = models_json_schema([(model, "serialization") for model in models], ref_template=f"{SCHEMAS}{{model}}")
    return dict(found["$defs"])


def in_type(*media_types: str) -> OpenApiResponses:
    return {200: {"content": {media_type: {} for media_type in media_types}}}


def in_ranges(*media_types: str, error: type[BaseModel]) -> OpenApiResponses:
    """Returns the responses of `files.file_range`."""
    whole = in_type(*media_types)
    part = {"description": "The range of bytes that was asked for", "content": {media_types[0]: {}}}
    shorter = {**errors(error, 416)[416], "description": "The file is shorter"}
    return {**whole, 206: part, 416: shorter}
