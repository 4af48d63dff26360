"""Talking to a real model."""

import pytest

from finery.client import FineryClient
from finery.contracts.deployment import DeploymentStatus
from tests.cli.command import Finery
from tests.cli.terminal import CTRL_D, Terminal
from tests.servers import RunningServer

MODEL = "finery/tiny-llama"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class TestChat:
    def test_a_kept_model_answers_again(self, finery: Finery, api: FineryClient) -> None:
        first = finery(
            "chat", MODEL, "--prompt", "Hello", "--max-tokens", "3", "--temperature", "0", "--keep", "--json"
        )
        piped = finery("chat", MODEL, "--max-tokens", "3", "--temperature", "0", input="Hello\n")
        (deployment,) = [one for one in api.list_deployments() if one.status is DeploymentStatus.RUNNING]
        stopped = finery("deployments", "stop", deployment.id)

        assert (first.code, piped.code, stopped.code) == (0, 0, 0)
        assert first.json["deployment_id"] == deployment.id
        assert deployment.status is DeploymentStatus.RUNNING
        assert piped.out == first.json["answer"] + "\n"

    def test_an_engine_that_is_not_there(self, finery: Finery) -> None:
        refused = finery("deployments", "start", MODEL, "--engine", "vllm")

        assert refused.code == 2
        assert "vllm" in refused.err.lower()

    def test_an_engine_that_is_not_known(self, finery: Finery) -> None:
        refused = finery("deployments", "start", MODEL, "--engine", "transformer")

        assert refused.code == 2
        assert "there is no engine 'transformer'; did you mean 'transformers'?" in " ".join(refused.err.split())

    @pytest.mark.thorough
    def test_a_model_that_is_loaded_beforehand(self, finery: Finery) -> None:
        started = finery("deployments", "start", MODEL, "--engine", "transformers", "--max-context", "64", "--json")
        asked = finery("chat", MODEL, "--prompt", "Hello", "--max-tokens", "3", "--json")
        stopped = finery("deployments", "stop", started.json["id"])

        assert (started.code, started.json["status"], started.json["options"]["max_context"]) == (0, "running", 64)
        assert (asked.code, asked.json["deployment_id"]) == (0, started.json["id"])
        assert stopped.code == 0

    @pytest.mark.thorough
    def test_a_conversation_on_a_terminal(self, live: RunningServer, api: FineryClient) -> None:
        with Terminal(live.url, "chat", MODEL, "--max-tokens", "3", "--system", "Be brief.") as terminal:
            terminal.expect("is ready", seconds=120)
            # What is typed before the prompt is there may be lost: the terminal is being set up.
            terminal.expect("> ")
            terminal.type("Hello\n")
            terminal.expect("> ")
            terminal.type("/reset\n")
            terminal.expect("> ")
            terminal.type("/help\n")
            terminal.expect("/reset forgets")
            terminal.expect("> ")
            terminal.type(CTRL_D)
            assert terminal.ended() == 0
        (newest, *_) = api.list_deployments()

        assert newest.status in (DeploymentStatus.STOPPING, DeploymentStatus.STOPPED)
