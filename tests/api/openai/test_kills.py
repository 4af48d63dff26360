"""The server is killed at every step of the SDK's flow and started again: nothing is lost, nothing is doubled."""

import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openai import APIConnectionError, OpenAI

from tests.api.openai.conftest import ROWS, jsonl
from tests.servers import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.xdist_group("openai-kills")]

# What was submitted before a death is found again, so `submit.recorded` is never passed here.
PLACES = (
    "runs.before_commit",
    "runs.accepted",
    "submit.claimed",
    "submit.rendered",
    "submit.submitted",
    "watch.read",
    "watch.stored",
    "watch.exit_seen",
    "watch.finished",
)
MODEL = "finery/tiny-llama"
WAIT_SECONDS = 240.0


class Keeper:
    """Starts the server again whenever it has died."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.deaths = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep)

    def __enter__(self) -> "Keeper":
        self.server.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        self.server.stop()

    def _keep(self) -> None:
        while not self._ending.wait(0.05):
            process = self.server.process
            if process is not None and process.poll() is not None:
                self.deaths += 1
                self.server.process = self.server.launch()


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    home = tmp_path / "home"
    home.mkdir()
    armed = ",".join(f"{place}=kill" for place in PLACES)
    once = str(tmp_path / "once")
    server = RunningServer(home)
    # Armed only from its second start on: the first must become healthy.
    with Keeper(server) as keeper:
        server.environment |= {"FINERY_FAILPOINTS": armed, "FINERY_FAILPOINTS_ONCE": once}
        server.kill()
        yield keeper


def patiently(work: Any) -> Any:
    """As a script would that is started again: the SDK itself retries only twice."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return work()
        except APIConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def create(sdk: OpenAI, file_id: str) -> Any:
    """Without a key: the SDK says which of its requests it sends once more."""
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
    return sdk.fine_tuning.jobs.create(model=MODEL, training_file=file_id, method=method)


class TestKilledEverywhere:
    def test_the_job_succeeds_once(self, keeper: Keeper, tmp_path: Path) -> None:
        with OpenAI(base_url=f"{keeper.server.url}/v1", api_key="any", max_retries=8) as sdk:
            data = jsonl(list(ROWS))
            file = patiently(lambda: sdk.files.create(file=("a.jsonl", data), purpose="fine-tune"))
            job = patiently(lambda: create(sdk, file.id))
            deadline = time.monotonic() + WAIT_SECONDS
            while job.status not in ("succeeded", "failed", "cancelled"):
                assert time.monotonic() < deadline
                time.sleep(0.2)
                job = patiently(partial(sdk.fine_tuning.jobs.retrieve, job.id))
            events = patiently(lambda: list(sdk.fine_tuning.jobs.list_events(job.id, limit=100)))
            files = patiently(lambda: list(sdk.files.list()))
            jobs = patiently(lambda: list(sdk.fine_tuning.jobs.list()))

        reached = {path.name.removeprefix("once.") for path in tmp_path.glob("once.*")}
        assert reached == set(PLACES)
        assert keeper.deaths >= len(PLACES)
        assert job.status == "succeeded", job.error
        assert [one.id for one in jobs] == [job.id]
        assert [one.id for one in files] == [file.id]
        steps = [event.data["step"] for event in events if event.message.startswith("Step ")]
        assert sorted(steps) == list(range(1, 7))
        assert sum("successfully completed" in event.message for event in events) == 1
        assert (keeper.server.home / "outputs" / job.id / "model.safetensors").is_file()
