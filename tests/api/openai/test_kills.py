"""The server is killed at every step of the SDK's flow and started again: nothing is lost, nothing is doubled."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from openai import APIConnectionError, NotFoundError, OpenAI
from openai.types.fine_tuning import FineTuningJob

from tests.api.openai.conftest import ROWS, jsonl
from tests.receiver import LOOPBACK, Receiver
from tests.servers import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("openai-kills")]

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
REQUEST = ("runs.before_commit", "runs.accepted")
"""Either side of the commit of whatever a request changes."""
STOP = (*REQUEST, "stop.before_signal", "stop.signalled", "watch.exit_seen", "watch.finished")
WEBHOOK = ("webhooks.fanned_out", "webhooks.claimed", "webhooks.sent")
ENDED = ("succeeded", "failed", "cancelled")
MODEL = "finery/tiny-llama"
WAIT_SECONDS = 240.0


class Keeper:
    """Starts the server again whenever it has died."""

    def __init__(self, server: RunningServer, marks: Path) -> None:
        self.server = server
        self.deaths = 0
        self._marks = marks
        self._round = 0
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

    def arm(self, places: tuple[str, ...]) -> None:
        """From the server's next start on, which is now, it dies at each of these once."""
        self._round += 1
        armed = ",".join(f"{place}=kill" for place in places)
        self.server.environment |= {"FINERY_FAILPOINTS": armed, "FINERY_FAILPOINTS_ONCE": str(self._mark)}
        self.server.kill()

    @property
    def reached(self) -> set[str]:
        """Where it has died since it was armed."""
        return {path.suffixes[-2][1:] + path.suffixes[-1] for path in self._marks.glob(f"{self._mark.name}.*")}

    @property
    def _mark(self) -> Path:
        return self._marks / f"once{self._round}"

    def _keep(self) -> None:
        while not self._ending.wait(0.05):
            process = self.server.process
            if process is not None and process.poll() is not None:
                self.deaths += 1
                self.server.process = self.server.launch()


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    folder = tmp_path_factory.mktemp("kills")
    home = folder / "home"
    home.mkdir()
    with Keeper(RunningServer(home, FINERY_WEBHOOK_ALLOW_PRIVATE=LOOPBACK), folder) as keeper:
        yield keeper


@pytest.fixture
def sdk(keeper: Keeper) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{keeper.server.url}/v1", api_key="any", max_retries=8) as sdk:
        yield sdk


def patiently(work: Any) -> Any:
    """As a script would that is started again: the SDK itself retries only twice."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return work()
        except APIConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def create(sdk: OpenAI, file_id: str, *, epochs: int = 2) -> FineTuningJob:
    """Without a key: the SDK says which of its requests it sends once more."""
    method: Any = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": epochs}}}
    return sdk.fine_tuning.jobs.create(model=MODEL, training_file=file_id, method=method)


def upload(sdk: OpenAI, rows: list[object]) -> str:
    data = jsonl(rows)
    return str(patiently(lambda: sdk.files.create(file=("a.jsonl", data), purpose="fine-tune")).id)


def wait(sdk: OpenAI, job_id: str, *statuses: str) -> str:
    """The SDK's polling goes on. `pausing` and `paused` are no words of its model."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (status := patiently(partial(status_of, sdk, job_id))) not in statuses:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    return status


def status_of(sdk: OpenAI, job_id: str) -> str:
    return str(sdk.fine_tuning.jobs.with_raw_response.retrieve(job_id).http_response.json()["status"])


def events_of(sdk: OpenAI, job_id: str) -> list[Any]:
    return list(patiently(lambda: list(sdk.fine_tuning.jobs.list_events(job_id, limit=100))))


def steps_of(sdk: OpenAI, job_id: str) -> list[int]:
    return sorted(event.data["step"] for event in events_of(sdk, job_id) if event.message.startswith("Step "))


def wait_for_step(sdk: OpenAI, job_id: str, step: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while max(steps_of(sdk, job_id), default=0) < step:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def processes_of(job_id: str) -> list[int]:
    """Those of the run that live: their arguments name its folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and any(job_id in argument for argument in process.info["cmdline"] or [])
    ]


class TestUpload:
    @pytest.mark.thorough
    def test_is_completed_once(self, keeper: Keeper, sdk: OpenAI) -> None:
        """Of all these, the one that `make test` runs."""
        data = jsonl(list(ROWS))
        half = len(data) // 2
        parted = sdk.uploads.create(
            filename="parted.jsonl", purpose="fine-tune", bytes=len(data), mime_type="application/jsonl"
        )
        parts = [sdk.uploads.parts.create(parted.id, data=piece).id for piece in (data[:half], data[half:])]
        before = {file.id for file in sdk.files.list()}
        keeper.arm(REQUEST)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        done = patiently(lambda: sdk.uploads.complete(parted.id, part_ids=parts, md5=digest))
        assert keeper.reached == set(REQUEST)
        assert done.status == "completed"
        assert {file.id for file in sdk.files.list()} - before == {done.file.id}
        assert sdk.files.content(done.file.id).content == data


@pytest.mark.thorough
class TestJob:
    def test_succeeds_once_and_is_told_once(self, keeper: Keeper, sdk: OpenAI) -> None:
        """Also its webhook's message, under one id."""
        with Receiver() as receiver:
            hook = {"name": "kills", "url": receiver.url, "event_types": ["fine_tuning.job.succeeded"]}
            endpoint = httpx.post(f"{keeper.server.url}/v1/webhook_endpoints", json=hook, trust_env=False)
            endpoint.raise_for_status()
            keeper.arm((*PLACES, *WEBHOOK))
            before = patiently(lambda: {file.id for file in sdk.files.list()})
            file_id = upload(sdk, list(ROWS))
            job_id = patiently(lambda: create(sdk, file_id)).id
            wait(sdk, job_id, *ENDED)
            received = receiver.wait_for(2, seconds=60.0)
        job = patiently(lambda: sdk.fine_tuning.jobs.retrieve(job_id))
        files = patiently(lambda: {file.id for file in sdk.files.list()})
        jobs = patiently(lambda: list(sdk.fine_tuning.jobs.list()))

        assert keeper.reached == {*PLACES, *WEBHOOK}
        assert keeper.deaths >= len(PLACES)
        assert job.status == "succeeded", job.error
        assert [one.id for one in jobs] == [job.id]
        assert files - before == {file_id}
        assert steps_of(sdk, job_id) == list(range(1, 7))
        assert sum("successfully completed" in event.message for event in events_of(sdk, job_id)) == 1
        assert (keeper.server.home / "outputs" / job.id / "model.safetensors").is_file()
        # The server died between the delivery and its record: sent twice, under one id.
        assert len({(message.id, message.body) for message in received}) == 1
        told = json.loads(received[0].body)
        assert (told["type"], told["data"]["id"]) == ("fine_tuning.job.succeeded", job_id)

    def test_is_paused_resumed_and_cancelled(self, keeper: Keeper, sdk: OpenAI) -> None:
        job_id = create(sdk, upload(sdk, list(ROWS) * 20), epochs=50).id
        wait_for_step(sdk, job_id, 2)

        keeper.arm(STOP)
        assert patiently(lambda: words(sdk.fine_tuning.jobs.with_raw_response.pause(job_id))) in ("pausing", "paused")
        assert wait(sdk, job_id, "paused", *ENDED) == "paused"
        assert keeper.reached == set(STOP)
        reached = max(steps_of(sdk, job_id))
        assert processes_of(job_id) == []

        keeper.arm((*REQUEST, "submit.claimed", "submit.rendered", "submit.submitted"))
        resumed = patiently(lambda: words(sdk.fine_tuning.jobs.with_raw_response.resume(job_id)))
        assert resumed in ("queued", "running")
        wait_for_step(sdk, job_id, reached + 2)
        assert len(keeper.reached) == 5

        keeper.arm(STOP)
        patiently(lambda: sdk.fine_tuning.jobs.cancel(job_id))
        assert wait(sdk, job_id, *ENDED) == "cancelled"
        assert keeper.reached == set(STOP)
        assert processes_of(job_id) == []
        steps = steps_of(sdk, job_id)
        assert steps == list(range(1, len(steps) + 1))


def words(response: Any) -> str:
    return str(response.http_response.json()["status"])


@pytest.fixture(scope="module")
def model(keeper: Keeper) -> str:
    with OpenAI(base_url=f"{keeper.server.url}/v1", api_key="any", max_retries=8) as sdk:
        keeper.arm(())
        job_id = patiently(lambda: create(sdk, upload(sdk, list(ROWS)), epochs=1)).id
        assert wait(sdk, job_id, *ENDED) == "succeeded"
        name = sdk.fine_tuning.jobs.retrieve(job_id).fine_tuned_model
    assert name is not None
    return name


@pytest.mark.thorough
class TestModel:
    def test_answers_again_after_a_restart(self, keeper: Keeper, sdk: OpenAI, model: str) -> None:
        keeper.arm(REQUEST)
        assert patiently(partial(answer, sdk, model)) == model
        assert keeper.reached == set(REQUEST)
        (first,) = engines(keeper)
        keeper.server.kill()
        assert patiently(partial(answer, sdk, model)) == model
        (second,) = engines(keeper)
        assert (second["id"], second["port"]) == (first["id"], first["port"])
        assert processes_of(first["id"])

    def test_is_deleted_with_all_its_files(self, keeper: Keeper, sdk: OpenAI, model: str) -> None:
        job_id = "ftjob-" + model.rpartition(":")[2]
        folder = keeper.server.home / "outputs" / job_id
        assert folder.is_dir()
        keeper.arm(REQUEST)
        assert patiently(lambda: sdk.models.delete(model)).deleted
        assert keeper.reached == set(REQUEST)
        assert not folder.exists()
        assert model not in {one.id for one in sdk.models.list()}
        with pytest.raises(NotFoundError):
            answer(sdk, model)
        assert status_of(sdk, job_id) == "succeeded"
        deadline = time.monotonic() + WAIT_SECONDS
        while engines(keeper):
            assert time.monotonic() < deadline
            time.sleep(0.2)


def answer(sdk: OpenAI, model: str) -> str:
    return sdk.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Q1"}], max_completion_tokens=4, temperature=0
    ).model


def engines(keeper: Keeper) -> list[dict[str, Any]]:
    found = httpx.get(f"{keeper.server.url}/api/v1/deployments", trust_env=False).json()["deployments"]
    return [one for one in found if one["finished_at"] is None]
