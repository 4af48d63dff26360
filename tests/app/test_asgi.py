from typing import Any

import pytest

from finery.app.asgi import create_app
from finery.app.settings import Settings


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
