"""What the API's document says of answers that are not a route's usual one: for a route's `responses`."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

OpenApiResponses = dict[int | str, dict[str, Any]]
SCHEMAS = "#/components/schemas/"


def errors(model: type[BaseModel], *statuses: int) -> OpenApiResponses:
    """A dialect's refusals, in the shape of `model`, which `shapes` adds to the document.

    Only by its name: from a model FastAPI would make a reader for each status of each route, of which there are a
    thousand, and that would take a third of the server's start.
    """
    schema = {"application/json": {"schema": {"$ref": f"{SCHEMAS}{model.__name__}"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": schema} for status in statuses}


def shapes(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """The document's schemas of these models and of what they are made of."""
    _, found = models_json_schema([(model, "serialization") for model in models], ref_template=f"{SCHEMAS}{{model}}")
    return dict(found["$defs"])


def in_type(*media_types: str) -> OpenApiResponses:
    return {200: {"content": {media_type: {} for media_type in media_types}}}


def in_ranges(*media_types: str, error: type[BaseModel]) -> OpenApiResponses:
    """What `files.file_range` answers."""
    whole = in_type(*media_types)
    part = {"description": "The range of bytes that was asked for", "content": {media_types[0]: {}}}
    shorter = {**errors(error, 416)[416], "description": "The file is shorter"}
    return {**whole, 206: part, 416: shorter}
