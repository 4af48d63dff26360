"""Puts the docstrings under the fields of models into the JSON schemas that pydantic makes of them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import DEFAULT_REF_TEMPLATE

from finery.kit.attribute_docs import attribute_docs


def models_in(*annotations: Any) -> list[type[BaseModel]]:
    """Returns the models in these types, in the fields of these models, and so on, each once."""
    found: dict[type[BaseModel], None] = {}
    for annotation in annotations:
        _collect(annotation, found)
    return list(found)


def add_descriptions(definitions: Mapping[str, dict[str, Any]], models: Iterable[type[BaseModel]]) -> None:
    """Adds to each field without a description the docstring that stands under it.

    `definitions`: schemas by the names that pydantic gives them: that of the class, or where two have the same, with
    the module before it.
    """
    for model in models:
        for name in _names_of(model):
            if name in definitions:
                describe(definitions[name], model)


def describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Adds to each field of the schema without a description the docstring that stands under it; of a constant without
    either, its value is told."""
    properties, docs = schema.get("properties", {}), attribute_docs(model)
    for field, info in model.model_fields.items():
        for name in (field, info.alias, info.serialization_alias):
            if name in properties:
                _set_description(properties[name], docs.get(field))


def schema_of(model: type[BaseModel], *, ref_template: str = DEFAULT_REF_TEMPLATE) -> dict[str, Any]:
    """Returns the JSON schema of what the model takes, all of its fields described that have a docstring."""
    schema = model.model_json_schema(ref_template=ref_template)
    describe(schema, model)
    add_descriptions(schema.get("$defs", {}), models_in(model))
    return schema


def _set_description(part: dict[str, Any], text: str | None) -> None:
    if text is None and "const" in part:
        text = f"Always `{json.dumps(part['const'])}`."
    if text is not None:
        part.setdefault("description", text)


def _names_of(model: type[BaseModel]) -> Iterator[str]:
    long = f"{model.__module__}.{model.__qualname__}".replace(".", "__")
    for name in (model.__name__, long):
        # The schema of what is read and that of what is written may differ, and are two then.
        yield from (name, f"{name}-Input", f"{name}-Output")


def _collect(annotation: Any, found: dict[type[BaseModel], None]) -> None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in found:
        found[annotation] = None
        for field in annotation.model_fields.values():
            _collect(field.annotation, found)
    for part in get_args(annotation):
        _collect(part, found)
