import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.datasets.measurement import MeasurementRequest, MeasurementResult
from finery.contracts.datasets.measurement_worker import MeasurementWorker
from finery.contracts.events import NoticeEvent
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun, Run
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.datasets import DatasetRefused
from finery.domain.runs import measurements
from finery.domain.runs.data import EvaluationRefused
from finery.domain.runs.errors import InvalidRun
from tests import builders
from tests.domain.runs.test_auto_values import model
from tests.measuring import measure_here

ANSWER = "an answer of some length, longer than eight tokens in any case"
GRADER = {
    "type": "string_check",
    "operation": "eq",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
}


def write(home: Path, name: str, *rows: dict[str, Any]) -> str:
    (home / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def pair(prompt: str, completion: str = ANSWER) -> dict[str, Any]:
    return {"prompt": prompt, "completion": completion}


def create(database: Database, home: Path, recipe: str = "sft", **config: Any) -> Run:
    new = NewRun(source="native", recipe=recipe, config={"model_name": "finery/tiny-llama", **config})
    with database.write() as session:
        return runs.create(session, new, builders.context(home), LOCAL_ADMINISTRATOR)


def notices(database: Database, run: Run) -> dict[str, dict[str, Any]]:
    with database.read() as session:
        events = runs.list_events(session, run.id, LOCAL_ADMINISTRATOR, after=0, limit=100)
    return {event.data.code: event.data.as_json() for event in events if isinstance(event, NoticeEvent)}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[MeasurementRequest]:
    """What was to be measured, which is done in this process."""
    return measure_here(monkeypatch)


@pytest.fixture
def local_model(home: Path) -> str:
    """A folder that is a model as far as can be seen without its weights."""
    pytest.importorskip("transformers")
    from finery.trainers.builtin.tokenizer import train_tokenizer

    model(home / "house", parameters=1000, context=256)
    train_tokenizer().save_pretrained(home / "house")
    return "./house"


class TestWarnings:
    def test_are_told_as_events(self, database: Database, home: Path) -> None:
        train = write(home, "train.jsonl", pair("a"), pair("b"), pair("a"))
        held_out = write(home, "eval.jsonl", pair("b"), pair("c"), pair("c"))
        found = notices(database, create(database, home, dataset_path=train, eval_dataset_path=held_out))
        assert (
            found["overlap"].items()
            >= {"level": "warning", "count": 1, "lines": [2], "setting": "dataset_path"}.items()
        )
        assert found["overlap"]["message"].startswith("training data: 1 row stands in the validation file too")
        assert found["duplicate"].items() >= {"count": 1, "lines": [3], "setting": "eval_dataset_path"}.items()

    def test_nothing_is_told_of_good_data(self, database: Database, home: Path) -> None:
        assert notices(database, create(database, home, dataset_path=write(home, "d.jsonl", pair("a")))) == {}


class TestEvaluationData:
    def test_are_named_by_their_setting(self, database: Database, home: Path) -> None:
        train = write(home, "train.jsonl", pair("a"))
        bad = write(home, "eval.jsonl", {"prompt": "a"})
        with pytest.raises(EvaluationRefused, match=r"^eval_dataset_path: eval\.jsonl: line 1"):
            create(database, home, dataset_path=train, eval_dataset_path=bad)

    def test_the_training_data_are_blamed_first(self, database: Database, home: Path) -> None:
        bad = write(home, "d.jsonl", {"prompt": "a"})
        with pytest.raises(DatasetRefused, match=r"^d\.jsonl: line 1"):
            create(database, home, dataset_path=bad, eval_dataset_path=bad)

    def test_that_are_not_there(self, database: Database, home: Path) -> None:
        with pytest.raises(InvalidRun) as caught:
            create(database, home, dataset_path=write(home, "d.jsonl", pair("a")), eval_dataset_path="none.jsonl")
        assert [issue.field for issue in caught.value.issues] == ["eval_dataset_path"]


class TestMeasurement:
    def test_a_template_that_refuses_every_row(
        self, database: Database, home: Path, local_model: str, asked: list[MeasurementRequest]
    ) -> None:
        refusing = {"chat_template": "{{ raise_exception('only cats may speak') }}"}
        data = write(home, "d.jsonl", pair("a"), pair("b"))
        for name in (local_model, "finery/tiny-llama"):
            with pytest.raises(DatasetRefused, match=r"d\.jsonl: line 1 .*only cats may speak; 2 rows fail so"):
                create(database, home, model_name=name, dataset_path=data, **refusing)
        with database.read() as session:
            assert runs.count_by_status(session) == {}

    def test_a_length_that_leaves_nothing(
        self, database: Database, home: Path, local_model: str, asked: list[MeasurementRequest]
    ) -> None:
        data = write(home, "d.jsonl", pair("many words " * 50))
        for name in (local_model, "finery/tiny-llama"):
            with pytest.raises(DatasetRefused, match="max_length 8 cuts off all"):
                create(database, home, model_name=name, dataset_path=data, max_length=8)

    def test_what_is_lost_is_told(
        self, database: Database, home: Path, local_model: str, asked: list[MeasurementRequest]
    ) -> None:
        rows = [pair("a"), pair("b", ANSWER * 20), pair("many words " * 100)]
        data = write(home, "d.jsonl", *rows)
        run = create(database, home, model_name=local_model, dataset_path=data, max_length=64)
        found = notices(database, run)
        assert {code: notice["count"] for code, notice in found.items()} == {"rows_truncated": 1, "rows_cut_away": 1}
        assert {notice["level"] for notice in found.values()} == {"warning"}

    def test_with_the_length_that_is_chosen_and_once(
        self, database: Database, home: Path, local_model: str, asked: list[MeasurementRequest]
    ) -> None:
        data = write(home, "d.jsonl", pair("a"))
        for _ in range(2):
            create(database, home, model_name=local_model, dataset_path=data, max_length="auto")
        assert [request.max_length for request in asked] == [256]

    def test_short_rows_of_a_built_in_model_need_none(
        self, database: Database, home: Path, asked: list[MeasurementRequest]
    ) -> None:
        create(database, home, dataset_path=write(home, "d.jsonl", pair("a")))
        assert asked == []

    def test_a_model_of_the_hub_that_is_not_here(
        self, database: Database, home: Path, asked: list[MeasurementRequest], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
        run = create(database, home, model_name="owner/model", dataset_path=write(home, "d.jsonl", pair("a")))
        assert (asked, notices(database, run)) == ([], {})

    def test_a_model_of_the_hub_that_is_here(
        self,
        database: Database,
        home: Path,
        local_model: str,
        asked: list[MeasurementRequest],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
        folder = home / "hub" / "models--owner--model"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text("abc123")
        (folder / "snapshots").mkdir()
        (home / local_model).rename(folder / "snapshots" / "abc123")
        data = write(home, "d.jsonl", pair("many words " * 50))
        with pytest.raises(DatasetRefused, match="max_length 8 cuts off all"):
            create(database, home, model_name="owner/model", dataset_path=data, max_length=8)

    def test_a_template_that_takes_too_much(
        self, database: Database, home: Path, local_model: str, asked: list[MeasurementRequest]
    ) -> None:
        data = write(home, "d.jsonl", pair("a"))
        with pytest.raises(InvalidRun, match=r"chat_template: the chat template takes more than 1 GiB of memory"):
            create(database, home, model_name=local_model, dataset_path=data, chat_template="{{ 'a' * 9999999999 }}")

    @pytest.mark.parametrize(("ready", "waiting"), [(False, 0), (True, 4)])
    def test_a_run_waits_neither_for_libraries_nor_behind_others(
        self,
        database: Database,
        home: Path,
        local_model: str,
        asked: list[MeasurementRequest],
        monkeypatch: pytest.MonkeyPatch,
        ready: bool,
        waiting: int,
    ) -> None:
        pending: Future[MeasurementResult] = Future()
        monkeypatch.setattr(MeasurementWorker, "is_ready", ready)
        monkeypatch.setattr(MeasurementWorker, "waiting", waiting)
        monkeypatch.setattr(MeasurementWorker, "submit", lambda *_: pending)
        data = write(home, "d.jsonl", pair("a"))
        run = create(database, home, model_name=local_model, dataset_path=data, max_length=64)
        assert (run.status, notices(database, run)) == (RunStatus.QUEUED, {})
        with database.read() as session:
            due = measurements.next_due(session)
        assert due is not None
        assert (due.run_id, due.request is not None) == (run.id, True)


class TestTooFewRowsForABatch:
    @pytest.mark.parametrize(
        ("config", "says"),
        [
            ({"batch_size": 4}, "3 rows to learn from do not fill a batch of 4"),
            ({"batch_size": 3, "eval_split": 0.5}, "1 rows to learn from do not fill a batch of 3"),
        ],
    )
    def test_is_refused(self, database: Database, home: Path, config: dict[str, Any], says: str) -> None:
        rows = [{"prompt": "a", "answer": "b"}] * 3 + [{"prompt": "a"}, {"prompt": " ", "answer": "b"}]
        data = write(home, "tasks.jsonl", *rows)
        with pytest.raises(InvalidRun, match=says) as caught:
            create(database, home, "grpo", dataset_path=data, grader=GRADER, **config)
        assert [issue.field for issue in caught.value.issues] == ["batch_size"]

    def test_auto_counts_what_can_be_learned(self, database: Database, home: Path) -> None:
        rows = [{"prompt": "a", "answer": "b"}] * 4 + [{"prompt": "a"}] * 20
        data = write(home, "tasks.jsonl", *rows)
        run = create(database, home, "grpo", dataset_path=data, grader=GRADER, batch_size="auto")
        assert run.config["batch_size"] == 2

    def test_a_field_that_no_row_has(self, database: Database, home: Path) -> None:
        data = write(home, "tasks.jsonl", *[{"prompt": "a"}] * 4)
        with pytest.raises(DatasetRefused, match=r"no row has what the grader looks at: item\.answer is missing"):
            create(database, home, "grpo", dataset_path=data, grader=GRADER)
