"""Submissions with templates of their own, measured by the real program."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from finery.contracts.chat_prompts import ENDLESS_TEMPLATE
from finery.contracts.datasets.measurement_worker import WorkerBusy
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun, Run
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.context import DomainContext
from finery.domain.datasets import DatasetRefused
from finery.domain.datasets.quick_measurement import WAIT_SECONDS
from finery.domain.runs import measurements
from finery.domain.runs.errors import InvalidRun
from finery.scheduler import late_measurer
from finery.scheduler.late_measurer import IDLE_SECONDS, RETRY_SECONDS, LateMeasurer
from tests import builders
from tests.domain.runs.test_auto_values import model

BURST = 8
WHOLE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
REFUSING = "{{ raise_exception('only cats may speak') }}"
BOMB = "{{ 'a' * 9999999999 }}"


@pytest.fixture
def context(home: Path) -> Iterator[DomainContext]:
    pytest.importorskip("transformers")
    from finery.trainers.builtin.tokenizer import train_tokenizer

    model(home / "house", parameters=1000, context=256)
    train_tokenizer().save_pretrained(home / "house")
    builders.write_rows(home)
    context = builders.context(home)
    before = set(psutil.Process().children())
    yield context
    context.live.measurer.stop()
    assert not [one for one in set(psutil.Process().children()) - before if _measures(one)]


def _measures(process: psutil.Process) -> bool:
    """Also what has ended and was not waited for: it has no command line any longer."""
    try:
        return "measuring_server" in " ".join(process.cmdline())
    except psutil.ZombieProcess:
        return True


def create(database: Database, context: DomainContext, template: str) -> tuple[Run, float]:
    """And the seconds that it took."""
    began = time.monotonic()
    config = {"model_name": "./house", "dataset_path": "rows.jsonl", "chat_template": template}
    new = NewRun(source="native", recipe="sft", config=config)
    with database.write() as session:
        run = runs.create(session, new, context, LOCAL_ADMINISTRATOR)
    return run, time.monotonic() - began


def settle(database: Database, context: DomainContext) -> None:
    late = LateMeasurer(database, context)
    while late.work() != IDLE_SECONDS:
        pass


def status(database: Database, run: Run) -> tuple[RunStatus, str]:
    with database.read() as session:
        found = runs.get(session, run.id, LOCAL_ADMINISTRATOR)
    return found.status, found.error or ""


class TestLateMeasurer:
    @pytest.mark.every_database
    @pytest.mark.thorough
    def test_a_burst_is_accepted_at_once_and_measured_afterwards(
        self, database: Database, context: DomainContext
    ) -> None:
        """Then, with its libraries at hand, the program answers while the next request waits."""
        templates = [*(f"{number}{WHOLE}" for number in range(BURST)), REFUSING]
        with ThreadPoolExecutor(BURST) as pool:
            made = list(pool.map(lambda template: create(database, context, template), templates))
        assert max(seconds for _, seconds in made) < WAIT_SECONDS + 3
        assert {run.status for run, _ in made} == {RunStatus.QUEUED}
        settle(database, context)
        *good, bad = (status(database, run) for run, _ in made)
        assert good == [(RunStatus.QUEUED, "")] * BURST
        assert bad[0] is RunStatus.FAILED
        assert "only cats may speak; 1 rows fail so, and no other has a token to learn" in bad[1]
        assert context.live.measurer.is_ready
        with pytest.raises(DatasetRefused, match="only cats"):
            create(database, context, REFUSING + " ")
        with pytest.raises(InvalidRun, match="chat_template: the chat template takes more than 1 GiB of memory"):
            create(database, context, BOMB)

    def test_a_template_that_hears_no_signal_is_told_as_the_cause(
        self, database: Database, context: DomainContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # On a busy machine the wall clock's limit may come before that of the processor's time, which is tested here.
        monkeypatch.setattr("finery.contracts.datasets.measurement_worker.SECONDS", 200.0)
        run, _ = create(database, context, "{{ ([[]] * 30000000)|sum(start=[1] * 10000) }}")
        settle(database, context)
        assert status(database, run) == (RunStatus.FAILED, f"chat_template: {ENDLESS_TEMPLATE}")

    def test_what_takes_long_is_waited_for_again(
        self, database: Database, context: DomainContext, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def too_late(*_: object, seconds: float) -> None:
            raise TimeoutError

        create(database, context, REFUSING)
        monkeypatch.setattr(late_measurer, "measure_later", too_late)
        assert LateMeasurer(database, context).work() == RETRY_SECONDS
        with database.read() as session:
            assert measurements.next_due(session) is not None

    def test_what_is_due_at_the_end_stays_due(self, database: Database, context: DomainContext) -> None:
        create(database, context, REFUSING)
        with database.read() as session:
            due = measurements.next_due(session)
        assert due is not None
        assert due.request is not None
        waited = context.live.measurer.submit(due.request)
        context.live.measurer.stop()
        with pytest.raises(WorkerBusy):
            waited.result()
        with database.read() as session:
            assert measurements.next_due(session) == due
