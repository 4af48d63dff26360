"""Puts examples of requests into the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

Examples = dict[str, dict[str, Any]]
"""`METHOD /path` → what an example shows → the body of the request, in JSON."""


def add_examples(document: dict[str, Any], examples: Mapping[str, dict[str, Any]]) -> None:
    for route, bodies in examples.items():
        method, path = route.split(" ")
        content = document["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]
        content["examples"] = {title: {"summary": title, "value": body} for title, body in bodies.items()}
