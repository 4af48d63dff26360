import signal
import subprocess
import time
from pathlib import Path

import pytest

from finery.client import FineryClient
from finery.contracts.deployment import DeploymentStatus
from finery.contracts.status import RunStatus
from tests.cli.command import PROGRAM, Finery
from tests.servers import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def processes_of(home: Path) -> list[str]:
    """The command lines of what still works in `home`."""
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if str(home) in line]


def set_up(url: str) -> str:
    """A key of the first administrator."""
    with FineryClient(url=url, api_key="") as client:
        client.accounts.set_up(email="ada@example.org", username="ada", password="correct horse")
        return client.accounts.create_key("demo").key


def ended_statuses(client: FineryClient) -> list[DeploymentStatus]:
    """Of all deployments, once nothing of them works any more."""
    deadline = time.monotonic() + 60
    statuses = [each.status for each in client.list_deployments()]
    while not all(status.is_finished for status in statuses) and time.monotonic() < deadline:
        time.sleep(0.1)
        statuses = [each.status for each in client.list_deployments()]
    return statuses


def interrupt(*words: str, environment: dict[str, str]) -> int:
    """The exit code of a demo that Ctrl-C ends as soon as its first run is at work."""
    with subprocess.Popen([*PROGRAM, "demo", *words], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline() not in ("running\n", ""):
            pass
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    return process.returncode


class TestDemo:
    @pytest.mark.thorough
    def test_the_model_answers_as_taught(self, alone: Finery, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRAINING_DB_URL", "sqlite:///somebody-elses.db")
        ended = alone.apart("demo", "--home", str(home), "--json", seconds=500)
        assert ended.code == 0, ended.err
        told = ended.json

        assert [answer["is_right"] for answer in told["answers"]] == [True, True]
        assert told["rewards_margin"]["after"] > told["rewards_margin"]["before"]
        assert told["sft"]["status"] == told["dpo"]["status"] == "succeeded"
        assert (home / "outputs" / "demo-dpo" / "model.safetensors").is_file()
        assert (home / "training.db").is_file()
        assert processes_of(home) == []

    @pytest.mark.thorough
    def test_on_a_server_that_asks_who_one_is(self, home: Path, tmp_path: Path) -> None:
        with RunningServer(home) as server:
            key = set_up(server.url)
            told = Finery(server.url, tmp_path, key).apart("demo", "--json", seconds=500)
            nameless = Finery(server.url, tmp_path).apart("demo")
            with FineryClient(url=server.url, api_key=key) as client:
                statuses = ended_statuses(client)

        assert told.code == 0, told.err
        assert [answer["is_right"] for answer in told.json["answers"]] == [True, True]
        assert (told.json["home"], told.json["pid"]) == (None, None)
        assert statuses == [DeploymentStatus.STOPPED] * 2
        assert nameless.code == 2
        assert "`finery login`" in nameless.err

    def test_a_home_is_of_a_server_of_its_own(self, alone: Finery) -> None:
        ended = alone("demo", "--server", "http://127.0.0.1:8001", "--home", "here")

        assert ended.code == 2
        assert ended.err.startswith("finery: --server: ")

    def test_an_interrupt_ends_what_it_began_elsewhere(self, finery: Finery, api: FineryClient) -> None:
        before = {run.id for run in api.list_runs(recipe="sft").runs}
        code = interrupt(environment=finery.environment)
        (run_id,) = {run.id for run in api.list_runs(recipe="sft").runs} - before

        assert code == 130
        assert api.wait(run_id, timeout=60).status is RunStatus.CANCELLED

    def test_an_interrupt_leaves_nothing_behind(self, home: Path, alone: Finery) -> None:
        assert interrupt("--home", str(home), environment=alone.environment) == 130
        assert processes_of(home) == []
