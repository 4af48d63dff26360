import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.deployment import DeploymentStatus
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.domain import deployments
from finery.http.services import Services
from finery.models import DeploymentRow
from tests.domain.deployments.serving import make_model
from tests.http.fake_engine import FakeEngine

MODEL = "finery/tiny-llama"


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as engine:
        yield engine


@pytest.fixture
def services(client: TestClient) -> Services:
    found: Services = client.app.state.services  # type: ignore[attr-defined]
    return found


def start_engines(services: Services, port: int, *, error: str | None = None) -> None:
    """What the scheduler does with deployments that wait, until one is there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with services.database.write() as session:
            waiting = [live for live in deployments.list_live(session) if live.token is None]
            for live in waiting:
                claim = deployments.claim(session, live.deployment.id, services.context)
                assert claim is not None
                token = claim.token
                if error is not None:
                    deployments.finish(session, live.deployment.id, token, error)
                    continue
                deployments.mark_running(session, live.deployment.id, token, "cpu")
                session.get_one(DeploymentRow, live.deployment.id).port = port
        if waiting:
            services.notifier.notify()
            return
        time.sleep(0.02)


def load(client: TestClient, services: Services, port: int, error: str | None = None, **query: Any) -> Any:
    scheduler = threading.Thread(target=start_engines, args=(services, port), kwargs={"error": error})
    scheduler.start()
    try:
        return client.post("/load_model", params={"model_path": MODEL, **query})
    finally:
        scheduler.join()


async def leave_early(app: Any, path: str, body: dict[str, str], engine: FakeEngine) -> int:
    """Sends the request, goes away once the engine has it, and gives the answer's status."""
    sent = json.dumps(body).encode()
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(sent))]
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": headers,
        "query_string": b"",
        "client": ("127.0.0.1", 1),
    }
    statuses = []
    messages = iter([{"type": "http.request", "body": sent}])

    async def receive() -> dict[str, Any]:
        if (message := next(messages, None)) is not None:
            return message
        while not engine.asked:
            await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status"))

    await asyncio.wait_for(app(scope, receive, send), 30)
    status: int = statuses[0]
    return status


class TestLoadModel:
    def test_answers_once_it_runs(self, client: TestClient, services: Services, engine: FakeEngine) -> None:
        answer = load(client, services, engine.port)
        assert answer.status_code == 200
        assert answer.json()["model_name"] == MODEL
        assert answer.json()["message"]
        assert client.get("/health").json() == {
            "status": "healthy", "model_loaded": True, "model_name": MODEL, "device": "cpu",
        }  # fmt: skip
        assert client.get("/model_info").json()["model_name"] == MODEL

    def test_where_the_home_lies_is_not_told(self, client: TestClient, services: Services, engine: FakeEngine) -> None:
        make_model(services.context.home.path, "m")
        assert load(client, services, engine.port, model_path="./m").status_code == 200
        assert client.get("/model_info").json()["model_path"] == "m"

    def test_options(self, client: TestClient, services: Services, engine: FakeEngine) -> None:
        load(client, services, engine.port, load_in_4bit=True)
        assert client.get("/model_info").json()["options"]["load_in_4bit"] is True

    def test_failure_is_told(self, client: TestClient, services: Services) -> None:
        answer = load(client, services, 1, error="CUDA is missing")
        assert answer.status_code == 400
        assert "CUDA is missing" in answer.json()["detail"]
        assert client.get("/health").json()["model_loaded"] is False

    @pytest.mark.parametrize("path", ["outputs/none", "../x", "/etc", "finery/tiny-lama"])
    def test_no_model(self, client: TestClient, path: str) -> None:
        answer = client.post("/load_model", params={"model_path": path})
        assert answer.status_code in (400, 404)
        assert answer.json()["detail"]

    def test_what_is_no_text(self, client: TestClient) -> None:
        assert client.post("/load_model", params={"model_path": "a\0b"}).status_code == 422

    def test_no_path(self, client: TestClient) -> None:
        assert client.post("/load_model").status_code == 422

    def test_the_next_one_takes_its_place(self, client: TestClient, services: Services, engine: FakeEngine) -> None:
        load(client, services, engine.port)
        load(client, services, 1)
        with services.database.read() as session:
            statuses = [found.status for found in deployments.list_all(session, LOCAL_ADMINISTRATOR)]
        assert sorted(statuses) == [DeploymentStatus.RUNNING, DeploymentStatus.STOPPING]


class TestNoModel:
    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("POST", "/chat", {"instruction": "x"}),
            ("POST", "/generate", {"prompt": "x"}),
            ("GET", "/model_info", None),
        ],
    )
    def test_says_how_to_load_one(self, client: TestClient, method: str, path: str, body: Any) -> None:
        answer = client.request(method, path, json=body)
        assert answer.status_code == 503
        assert "/load_model" in answer.json()["detail"]

    def test_health(self, client: TestClient) -> None:
        assert client.get("/health").json() == {
            "status": "healthy", "model_loaded": False, "model_name": None, "device": None,
        }  # fmt: skip


class TestChat:
    @pytest.fixture(autouse=True)
    def loaded(self, client: TestClient, services: Services, engine: FakeEngine) -> None:
        assert load(client, services, engine.port).status_code == 200

    def test_the_contracts_defaults(self, client: TestClient, engine: FakeEngine) -> None:
        answer = client.post("/chat", json={"instruction": "테스트 질문"})
        assert answer.status_code == 200
        found = answer.json()
        assert found["generation_time"] >= 0
        assert found == {
            "response": "answer 0",
            "instruction": "테스트 질문",
            "model_name": MODEL,
            "generation_time": found["generation_time"],
        }
        assert engine.asked == [
            (
                "/v1/chat/completions",
                {
                    "messages": [{"role": "user", "content": "테스트 질문"}],
                    "max_tokens": 256,
                    "temperature": 0.7,
                    "top_p": 0.9,
                    "top_k": 50,
                    "repetition_penalty": 1.1,
                },
            )
        ]

    def test_input_follows_the_instruction(self, client: TestClient, engine: FakeEngine) -> None:
        client.post("/chat", json={"instruction": "Translate", "input": "cat", "top_k": 0})
        body = engine.asked[0][1]
        assert body["messages"][0]["content"] == "Translate\n\n### Input:\ncat"
        assert body["top_k"] == -1

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("max_new_tokens", 0),
            ("max_new_tokens", 2049),
            ("temperature", -0.1),
            ("temperature", 2.1),
            ("top_p", 0),
            ("top_p", 1.1),
            ("top_k", -1),
            ("repetition_penalty", 0.9),
            ("repetition_penalty", 2.1),
            ("instruction", ""),
            ("instruction", None),
            ("intsruction", "x"),
        ],
    )
    def test_bounds(self, client: TestClient, engine: FakeEngine, key: str, value: Any) -> None:
        answer = client.post("/chat", json={"instruction": "x", key: value})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == key
        assert engine.asked == []

    def test_generate(self, client: TestClient, engine: FakeEngine) -> None:
        answer = client.post("/generate", json={"prompt": "Once", "num_return_sequences": 3, "do_sample": False})
        assert answer.json()["generated_text"] == [" answer 0", " answer 1", " answer 2"]
        path, body = engine.asked[0]
        assert (path, body["prompt"], body["n"], body["temperature"]) == ("/v1/completions", "Once", 3, 0.0)

    @pytest.mark.parametrize("count", [0, 6])
    def test_number_of_sequences(self, client: TestClient, count: int) -> None:
        assert client.post("/generate", json={"prompt": "x", "num_return_sequences": count}).status_code == 422

    def test_the_engine_refuses(self, client: TestClient, engine: FakeEngine) -> None:
        engine.status, engine.refusal = 400, "the prompt is too long"
        answer = client.post("/chat", json={"instruction": "x"})
        assert (answer.status_code, answer.json()["detail"]) == (400, "the prompt is too long")

    def test_the_engine_fails(self, client: TestClient, engine: FakeEngine) -> None:
        engine.status = 500
        assert client.post("/chat", json={"instruction": "x"}).status_code == 503

    def test_the_engine_is_gone(self, client: TestClient, services: Services) -> None:
        with services.database.write() as session:
            session.query(DeploymentRow).update({"port": 1})
        answer = client.post("/chat", json={"instruction": "x"})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]

    @pytest.mark.parametrize(("path", "body"), [("/chat", {"instruction": "x"}), ("/generate", {"prompt": "x"})])
    def test_a_client_that_leaves_ends_it(
        self, client: TestClient, engine: FakeEngine, path: str, body: dict[str, str]
    ) -> None:
        engine.answering.clear()
        try:
            assert client.portal is not None
            assert client.portal.call(leave_early, client.app, path, body, engine) == 499
        finally:
            engine.answering.set()

    def test_native_chat_is_passed_on(self, client: TestClient, engine: FakeEngine) -> None:
        [deployment] = client.get("/api/v1/deployments").json()["deployments"]
        address = f"/api/v1/deployments/{deployment['id']}/chat/completions"
        body = {"messages": [{"role": "user", "content": "hi"}], "logprobs": True}
        assert client.post(address, json=body).json()["choices"][0]["message"]["content"] == " answer 0"
        assert engine.asked[0] == ("/v1/chat/completions", body)
        streamed = client.post(address, json={**body, "stream": True})
        assert streamed.headers["content-type"].startswith("text/event-stream")
        assert streamed.text.endswith("data: [DONE]\n\n")
