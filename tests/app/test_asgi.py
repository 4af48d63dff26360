import re
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import TypeAdapter

from finery.app.asgi import create_app
from finery.app.settings import Settings
from finery.contracts.recipes import RECIPES
from finery.domain.runs.auto_values import without_auto
from finery.domain.runs.validation import parse_config


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(Settings(home=tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


class TestDocument:
    def test_names_no_answer_that_no_dialect_gives(self, document: dict[str, Any]) -> None:
        assert "HTTPValidationError" not in str(document)
        assert "422" not in document["paths"]["/v1/fine_tuning/jobs"]["post"]["responses"]
        refused = document["paths"]["/api/v1/runs"]["post"]["responses"]["422"]["content"]["application/json"]
        assert refused["schema"]["$ref"].endswith("/ApiError")

    def test_tells_of_streams(self, document: dict[str, Any]) -> None:
        for path in ("/v1/chat/completions", "/v1/completions"):
            answer = document["paths"][path]["post"]["responses"]["200"]
            assert set(answer["content"]) == {"application/json", "text/event-stream"}


class TestDescriptions:
    def test_every_field_has_one(self, document: dict[str, Any]) -> None:
        schemas = {**document["components"]["schemas"], **bodies(document)}
        fields = [
            (name, field, part)
            for name, schema in schemas.items()
            for field, part in schema.get("properties", {}).items()
        ]
        assert len(fields) > 1000
        assert [(name, field) for name, field, part in fields if not part.get("description")] == []

    def test_every_parameter_has_one(self, document: dict[str, Any]) -> None:
        parameters = [
            (path, each) for path, operation in operations(document) for each in operation.get("parameters", ())
        ]
        assert len(parameters) > 100
        assert [(path, each["name"]) for path, each in parameters if not each.get("description")] == []

    def test_every_route_has_a_title(self, document: dict[str, Any]) -> None:
        assert [path for path, operation in operations(document) if not operation.get("summary")] == []

    def test_models_come_before_the_table(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        assert schemas["CreateSftRun"]["properties"]["id"]["description"] == "Default: eight random hexadecimal digits."
        assert schemas["FileObject"]["properties"]["created_at"]["description"].endswith("In seconds since 1970, UTC.")
        assert schemas["Run"]["properties"]["created_at"]["description"] == "When it was created."


class TestConfigurations:
    def test_a_run_has_the_settings_of_its_recipe(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        body = document["paths"]["/api/v1/runs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        request = resolved(body, schemas)
        assert request["discriminator"]["propertyName"] == "recipe"
        assert request["discriminator"]["mapping"].keys() == RECIPES.keys()
        for name, reference in request["discriminator"]["mapping"].items():
            variant = resolved({"$ref": reference}, schemas)
            assert {"$ref": reference} in request["oneOf"]
            assert variant["properties"]["recipe"]["const"] == name
            config = resolved(variant["properties"]["config"], schemas)
            assert config["properties"].keys() == RECIPES[name].config.model_fields.keys()
            assert config["additionalProperties"] is False

    def test_every_reference_leads_somewhere(self, document: dict[str, Any]) -> None:
        references = set(re.findall(r"'#/components/schemas/([^']+)'", str(document)))
        assert references <= document["components"]["schemas"].keys()


class TestExamples:
    def test_every_body_in_json_has_one(self, document: dict[str, Any]) -> None:
        found = [name for name in contents(document) if name.endswith(" application/json")]
        assert len(found) > 40
        assert [name for name in found if not contents(document)[name].get("examples")] == []

    def test_each_is_what_its_route_takes(self, app: FastAPI, document: dict[str, Any]) -> None:
        bodies = {
            f"{method.lower()} {context.path_format} application/json": route.body_field.field_info.annotation
            for context in iter_route_contexts(app.routes)
            if isinstance(route := context.original_route, APIRoute) and route.body_field is not None
            for method in route.methods
        }
        for name, content in contents(document).items():
            for example in content.get("examples", {}).values():
                TypeAdapter(bodies[name]).validate_python(example["value"])

    def test_each_configuration_of_a_run_is_valid(self, document: dict[str, Any]) -> None:
        examples = contents(document)["post /api/v1/runs application/json"]["examples"].values()
        assert {example["value"]["recipe"] for example in examples} == {"sft", "dpo", "grpo", "command"}
        for example in examples:
            recipe = RECIPES[example["value"]["recipe"]]
            parse_config(recipe, without_auto(recipe, example["value"]["config"]))


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    paths = document["paths"].items()
    return [(f"{method} {path}", operation) for path, methods in paths for method, operation in methods.items()]


def bodies(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schemas of what the routes take, by route and media type."""
    return {name: content["schema"] for name, content in contents(document).items()}


def contents(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{path} {kind}": content
        for path, operation in operations(document)
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
    }


def resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas[schema["$ref"].removeprefix("#/components/schemas/")]
    return found
