"""Every route of the app, what it asks for, and the smallest request that could be meant for it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from finery.contracts.permissions import Permission
from finery.http.permission import Allow, AllowEveryone

METHODS = ("get", "put", "post", "patch", "delete")
ROWS = b'{"prompt": "a", "completion": "b"}\n'
UNLISTED = ("/docs", "/docs/start.js", "/openapi.json")
"""Not in the document, which is one of them."""


ENDLESS = {"/api/v1/events/stream": {"since": "refused"}}
"""Answers without an end: what is refused of a request, once who asks has been found to be allowed to."""


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    """With its parameters in braces."""
    query: Mapping[str, Any]
    """What must be there."""
    body: Mapping[str, Any]
    """httpx's arguments."""
    is_public: bool
    """The document asks for no login."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    def request(self, ids: Mapping[str, str] | None = None) -> dict[str, Any]:
        """httpx's arguments; `ids` for parameters of the path, else `1`, which is a number and a name."""
        values = {name: (ids or {}).get(name, "1") for name in self.parameters}
        return {"method": self.method, "url": self.path.format(**values), "params": self.query, **self.body}


def routes_of(document: Mapping[str, Any]) -> list[Route]:
    listed = [
        Route(
            method=method.upper(),
            path=path,
            query=_query(operation, document) | ENDLESS.get(path, {}),
            body=_body(operation, document),
            is_public="security" not in operation,
        )
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    ]
    return listed + [Route("GET", path, {}, {}, is_public=False) for path in UNLISTED]


def permissions_of_routes(app: FastAPI) -> dict[str, Permission]:
    """By method and path."""
    return {
        f"{method} {route.path.replace(':path}', '}')}": allow.permission
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
        for allow in _allows(route.dependant)
    }


def _allows(dependant: Dependant) -> Iterator[Allow | AllowEveryone]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Allow | AllowEveryone):
            yield dependency.call


def _query(operation: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        parameter["name"]: _value(parameter["schema"], document)
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "query" and parameter.get("required")
    }


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        return {"json": _value(content["application/json"]["schema"], document)}
    if "multipart/form-data" in content:
        form = _value(content["multipart/form-data"]["schema"], document)
        part = "data" if "data" in form else "file"
        return {"files": {part: ("rows.jsonl", ROWS)}, "data": {name: form[name] for name in form if name != part}}
    assert not content, f"no request is made yet of {list(content)}"
    return {}


def _value(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """Something that the schema may take, with required keys alone."""
    if "$ref" in schema:
        return _value(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _value(schema[choice][0], document)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type", "object"):
        case "object":
            properties = schema.get("properties", {})
            return {name: _value(properties[name], document) for name in schema.get("required", [])}
        case "array":
            return [_value(schema["items"], document)] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
    return "x" * max(1, schema.get("minLength", 1))
