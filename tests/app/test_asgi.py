import re
from typing import Any

import pytest

from finery.app.asgi import create_app
from finery.app.settings import Settings
from finery.contracts.recipes import RECIPES


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return create_app(Settings(home=tmp_path_factory.mktemp("home"))).openapi()


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


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    paths = document["paths"].items()
    return [(f"{method} {path}", operation) for path, methods in paths for method, operation in methods.items()]


def bodies(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{path} {kind}": content["schema"]
        for path, operation in operations(document)
        for kind, content in operation.get("requestBody", {}).get("content", {}).items()
    }


def resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas[schema["$ref"].removeprefix("#/components/schemas/")]
    return found
