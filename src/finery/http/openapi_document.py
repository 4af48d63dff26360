"""Completes the OpenAPI document that FastAPI makes: errors, the dialects' own, and a description of every field."""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from finery.contracts.described_schemas import add_descriptions, models_in
from finery.http.dialects import Dialect
from finery.http.field_descriptions import FIELDS, PARAMETERS
from finery.http.openapi_examples import add_examples
from finery.http.openapi_responses import shapes

UNIX_TIME = "In seconds since 1970, UTC."


def complete(document: dict[str, Any], routes: Sequence[BaseRoute], dialects: Iterable[Dialect]) -> None:
    """Adds the bodies of errors and what the dialects tell of their own, and describes every field and parameter.

    A field is described by what its model says, or else as fields of its name are."""
    schemas, error_models = document["components"]["schemas"], [dialect.error_model for dialect in dialects]
    schemas |= shapes(error_models)
    add_descriptions(schemas, models_in(*_bodies_of(routes), *error_models))
    for dialect in dialects:
        dialect.complete_document(document)
        if dialect.examples is not None:
            add_examples(document, importlib.import_module(dialect.examples).EXAMPLES)
    for schema in (*schemas.values(), *_bodies_in(document)):
        for name, part in schema.get("properties", {}).items():
            _describe_field(name, part)
    for operation in _operations_in(document):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in PARAMETERS:
                parameter.setdefault("description", PARAMETERS[parameter["name"]])


def _operations_in(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from path.values()


def _bodies_in(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yields the schemas of the operations' bodies; those of forms stand there alone."""
    for operation in _operations_in(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            yield content["schema"]


def _bodies_of(routes: Sequence[BaseRoute]) -> Iterator[Any]:
    """Yields the types of what the routes take and answer with."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            yield route.response_model
            if route.body_field is not None:
                yield route.body_field.field_info.annotation


def _describe_field(name: str, part: dict[str, Any]) -> None:
    if "description" not in part and name in FIELDS:
        is_unix_time = name in ("at", "created") or name.endswith("_at")
        is_number = any(kind.get("type") in ("integer", "number") for kind in (part, *part.get("anyOf", ())))
        part["description"] = f"{FIELDS[name]} {UNIX_TIME}" if is_unix_time and is_number else FIELDS[name]
