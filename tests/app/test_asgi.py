from fastapi import FastAPI


class TestDocument:
    def test_names_no_answer_that_no_dialect_gives(self, app: FastAPI) -> None:
        document = app.openapi()
        assert "HTTPValidationError" not in str(document)
        assert "422" not in document["paths"]["/v1/fine_tuning/jobs"]["post"]["responses"]
        refused = document["paths"]["/api/v1/runs"]["post"]["responses"]["422"]["content"]["application/json"]
        assert refused["schema"]["$ref"].endswith("/ApiError")

    def test_tells_of_streams(self, app: FastAPI) -> None:
        for path in ("/v1/chat/completions", "/v1/completions"):
            answer = app.openapi()["paths"][path]["post"]["responses"]["200"]
            assert set(answer["content"]) == {"application/json", "text/event-stream"}
