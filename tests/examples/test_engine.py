"""An engine that is no part of Finery, in one file: chosen by name, started, asked, refused and stopped."""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from finery.client import FineryClient
from finery.client.errors import FineryError
from finery.contracts.deployment import Deployment, EngineOptions
from tests.domain.deployments.serving import make_adapter, make_model
from tests.servers import ROOT, RunningServer

SAID = [{"role": "user", "content": "hammer and tongs"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    path = os.pathsep.join(map(str, (ROOT, ROOT / "src", ROOT / "examples" / "engines")))
    server = RunningServer(tmp_path_factory.mktemp("home"), PYTHONPATH=path)
    server.prefix = [sys.executable, "-m", "tests.examples.registering", "parrot"]
    base = make_model(server.home, "m")
    make_adapter(server.home, "adapter", base)
    make_model(server.home, "empty")
    (server.home / "empty" / "config.json").write_text("{}")
    (server.home / "models.yaml").write_text("models:\n  polly: {model: ./m, engine: parrot}\n")
    with server:
        yield server


@pytest.fixture
def client(server: RunningServer) -> Iterator[FineryClient]:
    with FineryClient(url=server.url) as client:
        yield client


def settled(client: FineryClient, deployment_id: str) -> Deployment:
    """Once it has ended its start, or has ended."""
    deadline = time.monotonic() + 60
    while (found := client.get_deployment(deployment_id)).status in ("starting", "stopping"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def post(server: RunningServer, path: str, **body: Any) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, timeout=60)


@pytest.mark.slow
class TestEngine:
    def test_it_is_deployed_asked_and_stopped(self, server: RunningServer, client: FineryClient) -> None:
        made = client.create_deployment("./m", engine="parrot")
        running = settled(client, made.id)
        assert (running.status, running.engine, running.served_name) == ("running", "parrot", "parrot:m"), running.error

        way = f"/api/v1/deployments/{made.id}"
        answer = post(server, f"{way}/chat/completions", messages=SAID).json()
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("./m", "hammer and tongs")
        assert post(server, f"{way}/completions", prompt="tongs").json()["choices"][0]["text"] == "tongs"
        refused = post(server, f"{way}/chat/completions", messages=SAID, temperature=1)
        assert (refused.status_code, refused.json()["error"]["message"]) == (422, "A parrot has no temperature.")

        client.stop_deployment(made.id)
        assert settled(client, made.id).status == "stopped"

    def test_a_name_of_the_administrators_starts_it(self, server: RunningServer, client: FineryClient) -> None:
        refused = post(server, "/v1/chat/completions", model="polly", messages=SAID, temperature=1)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "temperature")
        assert not any(each.on_demand for each in client.list_deployments())

        answer = post(server, "/v1/chat/completions", model="polly", messages=SAID)
        assert answer.json()["choices"][0]["message"]["content"] == "hammer and tongs", answer.text
        assert answer.json()["model"] == "polly"
        demanded = next(each for each in client.list_deployments() if each.on_demand)
        assert (demanded.engine, demanded.status) == ("parrot", "running")
        client.stop_deployment(demanded.id)

    def test_by_its_exit_code_the_model_is_at_fault(self, client: FineryClient) -> None:
        found = settled(client, client.create_deployment("./empty", engine="parrot").id)
        assert (found.status, found.failure, found.error) == ("failed", "model", "empty is no model")

    @pytest.mark.parametrize(
        ("model", "options", "message"),
        [
            ("./adapter", None, "cannot serve this: it is an adapter; choose 'transformers'"),
            ("./m", EngineOptions(load_in_4bit=True), "cannot serve this: it cannot be quantized there"),
        ],
    )
    def test_what_it_cannot_serve(
        self, client: FineryClient, model: str, options: EngineOptions | None, message: str
    ) -> None:
        with pytest.raises(FineryError, match=message):
            client.create_deployment(model, engine="parrot", options=options)

    def test_a_mistyped_name_is_told_it(self, client: FineryClient) -> None:
        with pytest.raises(FineryError, match="there is no engine 'parot'; did you mean 'parrot'"):
            client.create_deployment("./m", engine="parot")
