"""A real server, and engines as real processes: the stand-in for vLLM, which starts in a tenth of a second."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests import builders
from tests.servers import RunningServer

STANDIN = Path(__file__).resolve().parents[1] / "engines" / "vllm" / "standin.py"
COMMAND = f"{sys.executable} {STANDIN} serve {{model}} --port {{port}} --served-model-name {{name}}"
USER = [{"role": "user", "content": "Who keeps the fire?"}]
PICTURE = {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest/meta-data"}}
SOON_SECONDS = 20.0
TEMPLATE = "{{ messages }}"
HUB_TOKEN = "hf_AbCdEfGhIjKlMnOp"


class Serving:
    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.client = httpx.Client(base_url=server.url, timeout=60, trust_env=False)

    def chat(self, model: str, **body: object) -> httpx.Response:
        return self.client.post("/v1/chat/completions", json={"model": model, "messages": USER, **body})

    def told(self, model: str, **body: object) -> dict[str, Any]:
        """What the stand-in says of itself."""
        answer = self.chat(model, **body)
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == model
        found: dict[str, Any] = json.loads(answer.json()["choices"][0]["message"]["content"])
        return found

    def deploy(self, model: str, **body: object) -> str:
        answer = self.client.post("/api/v1/deployments", json={"model": model, "engine": "vllm", **body})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def deployment(self, deployment_id: str) -> dict[str, Any]:
        return dict(self.client.get(f"/api/v1/deployments/{deployment_id}").json())

    def deployments(self) -> list[dict[str, Any]]:
        return list(self.client.get("/api/v1/deployments").json()["deployments"])

    def live(self) -> list[dict[str, Any]]:
        return [one for one in self.deployments() if one["finished_at"] is None]

    def wait_for(self, deployment_id: str, *statuses: str) -> dict[str, Any]:
        deadline = time.monotonic() + SOON_SECONDS
        while (found := self.deployment(deployment_id))["status"] not in statuses:
            assert time.monotonic() < deadline, found
            time.sleep(0.02)
        return found

    def clear(self) -> None:
        for one in self.live():
            self.client.delete(f"/api/v1/deployments/{one['id']}")
        for one in self.live():
            self.wait_for(one["id"], "stopped", "failed")


@contextmanager
def running(home: Path, *, command: str = COMMAND, **environment: str) -> Iterator[Serving]:
    with RunningServer(home, FINERY_VLLM_COMMAND=command, **environment) as server:
        serving = Serving(server)
        try:
            yield serving
            serving.clear()
        finally:
            serving.client.close()


def make_home(home: Path) -> Path:
    make_base(home / "base")
    make_adapter(home / "one", home / "base")
    make_adapter(home / "two", home / "base")
    make_adapter(home / "large", home / "base", rank=128)
    make_adapter(home / "own-template", home / "base", template=TEMPLATE)
    make_base(home / "huge", size=2**42)
    names = ("base", "one", "two", "large", "own-template", "huge")
    entries: dict[str, dict[str, object]] = {f"my-{name}": {"model": f"./{name}", "engine": "vllm"} for name in names}
    entries["my-told"] = {"model": "./base", "engine": "vllm", "max_context": 64, "chat_template": TEMPLATE}
    make_base(home / "broken")
    entries["my-broken"] = {"model": "./broken", "engine": "transformers"}
    (home / "models.yaml").write_text(json.dumps({"models": entries}))
    return home


def make_base(folder: Path, size: int = 64) -> None:
    folder.mkdir()
    (folder / "config.json").write_text('{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}')
    builders.write_weights(folder / "model.safetensors", size)


def make_adapter(folder: Path, base: Path, rank: int = 8, template: str | None = None) -> None:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": rank, "base_model_name_or_path": str(base)}))
    builders.write_weights(folder / "adapter_model.safetensors", 64)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)


@pytest.fixture(scope="module")
def patient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with running(make_home(tmp_path_factory.mktemp("patient"))) as serving:
        yield serving


@pytest.fixture(scope="module")
def restless_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with running(make_home(tmp_path_factory.mktemp("restless")), FINERY_ENGINE_IDLE_SECONDS="1") as serving:
        yield serving


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Ends an engine that does not answer for a second and a half."""
    with running(make_home(tmp_path_factory.mktemp("impatient")), FINERY_ENGINE_SILENCE_SECONDS="1.5") as serving:
        yield serving


@pytest.fixture
def serving(patient_server: Serving) -> Serving:
    """Without any engine."""
    patient_server.clear()
    return patient_server


@pytest.fixture
def restless(restless_server: Serving) -> Serving:
    """Unloads what was not asked for a second."""
    restless_server.clear()
    return restless_server


class TestOnDemand:
    def test_first_requests_at_once_start_one_engine(self, serving: Serving) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: serving.told("my-base"), range(8)))
        assert len({one["process"] for one in found}) == 1
        assert serving.told("my-base")["process"] == found[0]["process"]
        [deployment] = serving.live()
        assert (deployment["on_demand"], deployment["status"], deployment["engine"]) == (True, "running", "vllm")
        assert (deployment["owner_id"], deployment["shared"]) == (None, False)

    def test_a_stream_carries_the_name_that_was_asked_for(self, serving: Serving) -> None:
        asked = {"model": "my-base", "messages": USER, "stream": True}
        with serving.client.stream("POST", "/v1/chat/completions", json=asked) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            events = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
        assert events.pop() == "[DONE]"
        chunks = [json.loads(event) for event in events]
        assert {chunk["model"] for chunk in chunks} == {"my-base"}
        text = "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)
        # Inside of the text the engine's own name stays.
        assert json.loads(text)["model"] == str(serving.server.home / "base")

    def test_what_the_administrator_says_of_a_name_reaches_the_engine(self, serving: Serving) -> None:
        told = serving.told("my-told")
        assert (told["chat_template"], told["max_model_len"]) == (TEMPLATE, 64)
        assert serving.told("my-base")["chat_template"] is None

    def test_an_unknown_name_starts_nothing(self, serving: Serving) -> None:
        for name in ("my-bass", "some/hub-model", "ft:base:finery::none", "finery/tiny"):
            answer = serving.chat(name)
            assert answer.status_code in (400, 404)
            assert answer.json()["error"]["param"] == "model"
        assert serving.live() == []

    def test_another_model_in_its_place_is_served_by_another_engine(self, serving: Serving) -> None:
        first = serving.told("my-base")
        builders.write_weights(serving.server.home / "base" / "model.safetensors", 128)
        assert serving.told("my-base")["process"] != first["process"]

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({"max_tokens": 0}, "max_tokens"),
            ({"temprature": 1}, "temprature"),
            ({"guided_json": {}}, "guided_json"),
            ({"chat_template": "x"}, "chat_template"),
            ({"messages": [{"role": "user", "content": [PICTURE]}]}, "messages[0].content[0]"),
        ],
    )
    def test_what_the_engine_would_pass_over_or_fetch_is_refused(
        self, serving: Serving, body: dict[str, object], param: str
    ) -> None:
        answer = serving.chat("my-base", **body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == param

    def test_so_it_is_where_a_deployment_is_asked(self, serving: Serving) -> None:
        deployment_id = serving.deploy("./base")
        serving.wait_for(deployment_id, "running")
        path = f"/api/v1/deployments/{deployment_id}/completions"
        answer = serving.client.post(path, json={"prompt": "x", "suffix": "y"})
        assert (answer.status_code, answer.json()["error"]["errors"][0]["field"]) == (422, "suffix")

    def test_what_it_knows_besides_reaches_it(self, serving: Serving) -> None:
        assert serving.told("my-base", min_p=0.1, logit_bias={"1": 2})["passed_over"] == ["logit_bias", "min_p"]

    def test_a_client_that_leaves_ends_its_answer(self, serving: Serving) -> None:
        assert serving.told("my-base")["left"] == 0
        [deployment] = serving.live()
        asked = [
            ("/v1/chat/completions", {"model": "my-base", "messages": USER}),
            ("/v1/completions", {"model": "my-base", "prompt": "x"}),
            (f"/api/v1/deployments/{deployment['id']}/chat/completions", {"messages": USER}),
        ]
        for path, body in asked:
            with pytest.raises(httpx.ReadTimeout):
                serving.client.post(path, json={"user": "60", **body}, timeout=0.5)
        deadline = time.monotonic() + 5
        while serving.told("my-base")["left"] < len(asked):
            assert time.monotonic() < deadline
            time.sleep(0.02)


class TestAdapters:
    def test_share_their_base(self, serving: Serving) -> None:
        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(serving.told, ("my-one", "my-two", "my-base") * 2))
        home = serving.server.home
        assert [one["adapter"] for one in told] == [str(home / "one"), str(home / "two"), None] * 2
        assert len({one["process"] for one in told}) == 1
        assert [one["model"] for one in serving.live()] == ["base"]

    def test_one_of_a_higher_rank_or_another_template_has_an_engine_of_its_own(self, serving: Serving) -> None:
        told = [serving.told(name) for name in ("my-one", "my-large", "my-own-template")]
        assert len({one["process"] for one in told}) == 3
        assert [one["chat_template"] for one in told] == [None, None, TEMPLATE]

    def test_by_hand(self, serving: Serving) -> None:
        deployment_id = serving.deploy("./one")
        serving.wait_for(deployment_id, "running")
        path = f"/api/v1/deployments/{deployment_id}/chat/completions"
        answer = serving.client.post(path, json={"messages": USER}).json()
        assert answer["model"] == "./one"
        assert json.loads(answer["choices"][0]["message"]["content"])["adapter"] == str(serving.server.home / "one")
        refused = serving.client.post(path, json={"model": "./two", "messages": USER})
        assert (refused.status_code, refused.json()["error"]["errors"][0]["field"]) == (422, "model")


class TestIdling:
    def test_is_unloaded_and_starts_again(self, restless: Serving) -> None:
        first = restless.told("my-base")
        [deployment] = restless.live()
        assert restless.wait_for(deployment["id"], "stopped")["error"] is None
        assert is_gone(first["process"])
        assert restless.told("my-base")["process"] != first["process"]

    def test_not_while_it_answers(self, restless: Serving) -> None:
        assert restless.told("my-base", user="2.5")["process"] == restless.told("my-base")["process"]

    def test_what_was_deployed_by_hand_stays(self, restless: Serving) -> None:
        deployment_id = restless.deploy("./base")
        restless.wait_for(deployment_id, "running")
        restless.told("my-one")
        [on_demand] = [one for one in restless.live() if one["on_demand"]]
        restless.wait_for(on_demand["id"], "stopped")
        assert restless.deployment(deployment_id)["status"] == "running"


class TestCrash:
    def test_the_next_request_has_a_fresh_engine(self, serving: Serving) -> None:
        first = serving.told("my-base")
        os.kill(first["process"], signal.SIGKILL)
        # What it takes while it dies is not sent again.
        while not is_gone(first["process"]):
            time.sleep(0.01)
        # Its socket may outlive it by a moment, in which a request is answered with 503 (decision 0009).
        time.sleep(0.5)
        assert serving.told("my-base")["process"] != first["process"]
        [fresh, old] = serving.deployments()[:2]
        assert (old["status"], old["port"], fresh["status"]) == ("failed", None, "running")

    def test_one_that_dies_over_an_adapter_is_followed_by_a_fresh_one(self, serving: Serving) -> None:
        first = serving.told("my-base")
        (serving.server.home / "one" / "fatal").touch()
        told = serving.told("my-one")
        assert told["adapter"] == str(serving.server.home / "one")
        assert told["process"] != first["process"]

    def test_what_was_deployed_by_hand_comes_back(self, serving: Serving) -> None:
        deployment_id = serving.deploy("./base")
        for crash in range(2):
            serving.wait_for(deployment_id, "running")
            process = process_of(serving, deployment_id)
            os.kill(process, signal.SIGKILL)
            starting = serving.wait_for(deployment_id, "starting")
            assert starting["error"]
            assert is_gone(process), crash
        found = serving.wait_for(deployment_id, "running")
        assert found["error"] is None
        assert process_of(serving, deployment_id) != process

    def test_with_its_minder_gone_nothing_of_it_is_left(self, serving: Serving) -> None:
        deployment_id = serving.deploy("./base")
        serving.wait_for(deployment_id, "running")
        process = process_of(serving, deployment_id)
        os.kill(psutil.Process(process).ppid(), signal.SIGKILL)
        serving.wait_for(deployment_id, "starting")
        assert is_gone(process)
        serving.wait_for(deployment_id, "running")
        assert process_of(serving, deployment_id) != process

    def test_one_that_never_ran_does_not(self, home: Path) -> None:
        with running(make_home(home), command=f"{COMMAND} --fails 'CUDA is missing'") as serving:
            found = serving.wait_for(serving.deploy("./base"), "failed")
            assert found["error"] == "CUDA is missing"
            assert found["failure"] == "engine"
            tried = len(serving.deployments())
            # The second one is told without another try.
            for _ in range(2):
                answer = serving.chat("my-base")
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_not_started")
                assert answer.headers["Retry-After"]
                assert "CUDA is missing" in answer.json()["error"]["message"]
            assert len(serving.deployments()) <= tried + 1

    @pytest.mark.thorough
    def test_a_broken_model_is_told_at_once_until_its_files_change(self, serving: Serving) -> None:
        """By our own engine, which takes seconds to find out."""
        first = serving.chat("my-broken")
        began = time.monotonic()
        second = serving.chat("my-broken")
        assert time.monotonic() - began < 2
        assert serving.live() == []
        for answer in (first, second):
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "model_not_loaded")
            assert answer.json()["error"]["param"] == "model"
            assert "it is tried again when its files change" in answer.json()["error"]["message"]
        assert serving.deployments()[0]["failure"] == "model"
        tried = len(serving.deployments())
        os.utime(serving.server.home / "broken" / "model.safetensors")
        assert serving.chat("my-broken").status_code == 400
        assert len(serving.deployments()) == tried + 1

    @pytest.mark.thorough
    def test_one_that_is_killed_while_it_loads_may_come_up_the_next_time(self, home: Path) -> None:
        with running(make_home(home), command=f"{COMMAND} --startup-seconds 60") as serving:
            with ThreadPoolExecutor(4) as pool:
                waiting = [pool.submit(serving.chat, "my-base") for _ in range(4)]
                while not (loading := standins(serving.server.home)):
                    time.sleep(0.05)
                loading[0].kill()
                answers = [one.result() for one in waiting]
            for answer in answers:
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "engine_not_started")
                assert answer.headers["Retry-After"]
                assert "ended by signal 9" in answer.json()["error"]["message"]


def standins(home: Path) -> list[psutil.Process]:
    """That serve its base."""
    found = (one for one in psutil.process_iter(["cmdline"]) if str(STANDIN) in (one.info["cmdline"] or ()))
    return [one for one in found if str(home / "base") in one.info["cmdline"]]


def is_gone(process: int) -> bool:
    """Also when nobody has asked for its exit code yet, as in a container without an init of its own."""
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def process_of(serving: Serving, deployment_id: str) -> int:
    path = f"/api/v1/deployments/{deployment_id}/completions"
    answer = serving.client.post(path, json={"prompt": "x"})
    assert answer.status_code == 200, answer.text
    return int(json.loads(answer.json()["choices"][0]["text"])["process"])


class TestHang:
    def test_on_demand_what_waits_is_told_and_the_next_request_has_a_fresh_one(self, impatient: Serving) -> None:
        first = impatient.told("my-base")
        os.kill(first["process"], signal.SIGSTOP)
        answer = impatient.chat("my-base", user="60")
        assert answer.status_code == 503, answer.text
        assert answer.json()["error"]["code"] == "engine_gone"
        assert answer.headers["Retry-After"]
        assert is_gone(first["process"])
        assert impatient.told("my-base")["process"] != first["process"]
        old = impatient.deployments()[1]
        assert (old["status"], old["error"]) == ("failed", "the engine did not answer for 1.5 seconds and was ended")

    def test_what_was_deployed_by_hand_comes_back(self, impatient: Serving) -> None:
        deployment_id = impatient.deploy("./base")
        impatient.wait_for(deployment_id, "running")
        process = process_of(impatient, deployment_id)
        os.kill(process, signal.SIGSTOP)
        assert "did not answer" in impatient.wait_for(deployment_id, "starting")["error"]
        impatient.wait_for(deployment_id, "running")
        assert process_of(impatient, deployment_id) != process


class TestHub:
    def test_a_model_of_the_hub_is_loaded_with_its_owners_token(self, home: Path) -> None:
        with running(make_home(home)) as serving:
            serving.client.put("/api/v1/secrets/HF_TOKEN", json={"value": HUB_TOKEN}).raise_for_status()
            assert environment_of(serving, "somebody/gated-0.5B")["HF_TOKEN"] == HUB_TOKEN
            assert "HF_TOKEN" not in environment_of(serving, "./base")

    def test_no_error_tells_the_token(self, home: Path) -> None:
        with running(make_home(home), command=f"{COMMAND} --fails 'no access with {HUB_TOKEN}'") as serving:
            serving.client.put("/api/v1/secrets/HF_TOKEN", json={"value": HUB_TOKEN}).raise_for_status()
            found = serving.wait_for(serving.deploy("somebody/gated-0.5B"), "failed")
            assert found["error"] == "no access with [redacted]"


def environment_of(serving: Serving, model: str) -> dict[str, str]:
    deployment_id = serving.deploy(model)
    serving.wait_for(deployment_id, "running")
    return psutil.Process(process_of(serving, deployment_id)).environ()


class TestMemory:
    def test_what_can_never_fit_is_refused(self, serving: Serving) -> None:
        answer = serving.chat("my-huge")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        error = answer.json()["error"]
        assert error["code"] == "not_enough_memory"
        assert "GiB" in error["message"]
        assert serving.live() == []


class TestGuard:
    def test_who_does_not_know_the_token_is_not_answered(self, serving: Serving) -> None:
        serving.told("my-base")
        [deployment] = serving.live()
        url = f"http://127.0.0.1:{deployment['port']}/v1/chat/completions"
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = httpx.post(url, json={"model": "m", "messages": USER}, headers=headers, trust_env=False)
            assert answer.status_code == 401
