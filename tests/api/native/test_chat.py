"""Chat with the model of a name, by those who may use models."""

import threading
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from finery.http.services import Services
from tests.api.jobs.test_inference import MODEL, start_engines
from tests.http.fake_engine import FakeEngine

CHAT = "/api/v1/chat/completions"
BODY = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


class TestChat:
    def test_starts_the_models_engine_and_passes_its_answer_on(
        self, client: TestClient, services: Services, engine: FakeEngine
    ) -> None:
        starting = threading.Thread(target=start_engines, args=(services, engine.port))
        starting.start()
        answer = client.post(CHAT, json=BODY)
        starting.join()
        assert (answer.status_code, answer.json()["choices"][0]["message"]["content"]) == (200, " answer 0")
        streamed = client.post(CHAT, json={**BODY, "stream": True})
        assert streamed.headers["content-type"].startswith("text/event-stream")
        assert streamed.text.endswith("data: [DONE]\n\n")
        [deployment] = client.get("/api/v1/deployments").json()["deployments"]
        assert (deployment["on_demand"], deployment["model_name"]) == (True, MODEL)

    @pytest.mark.parametrize("model", [None, "", 1, "x" * 5000])
    def test_without_a_name(self, client: TestClient, model: object) -> None:
        answer = client.post(CHAT, json={**BODY, "model": model})
        assert answer.status_code == 422
        assert [issue["field"] for issue in answer.json()["error"]["errors"]] == ["model"]

    def test_unknown(self, client: TestClient) -> None:
        answer = client.post(CHAT, json={**BODY, "model": "finery/none"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
