import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from finery.contracts.events import EventType
from finery.contracts.metrics import MetricSeries, Place, SampledMetrics, SampleRequest
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.db import Database
from finery.domain import runs
from finery.models import EventRow, RunRow
from tests import builders


def store(database: Database, home: Path, events: list[dict[str, Any]]) -> None:
    """Events of a run `a` from its second one on: their data, and beside it `type` and `attempt`."""
    with database.write() as session:
        runs.create(session, builders.external("a"), builders.context(home), LOCAL_ADMINISTRATOR)
    with database.write() as session:
        row = session.query(RunRow).one()
        for sequence, data in enumerate(events, start=2):
            event = EventRow(
                run_number=row.number,
                sequence=sequence,
                type=data.pop("type", EventType.PROGRESS),
                at=1000.0 + sequence,
                attempt=data.pop("attempt", 1),
                data=data,
            )
            session.add(event)
        row.last_sequence = len(events) + 1


def sample(database: Database, **request: Any) -> SampledMetrics:
    with database.read() as session:
        return runs.sample_metrics(session, "a", LOCAL_ADMINISTRATOR, SampleRequest(**request))


def series_of(found: SampledMetrics, name: str) -> MetricSeries:
    return next(series for series in found.series if series.name == name)


def points_of(found: SampledMetrics, name: str) -> list[tuple[float, float | None]]:
    series = series_of(found, name)
    return list(zip(series.steps, series.values, strict=True))


@pytest.fixture
def sqlite(sqlite_template: Path, home: Path) -> Database:
    shutil.copy(sqlite_template, home / "training.db")
    return Database("sqlite:///training.db", home=home)


class TestSampleMetrics:
    def test_a_range_beyond_the_data_costs_no_points(self, sqlite: Database, home: Path) -> None:
        store(sqlite, home, [{"step": step, "loss": float(step % 5)} for step in range(300)])
        found = sample(sqlite, points=200, from_step=-(2**40), to_step=2**31)
        assert len(points_of(found, "loss")) > 100

    def test_an_evaluation_tells_no_training_step_again(self, sqlite: Database, home: Path) -> None:
        steps = [{"step": step, "loss": 1.0, "attempt": 1} for step in (1, 2, 3)]
        evaluation = {"type": EventType.EVALUATION, "step": 2, "loss": 0.5, "attempt": 2}
        store(sqlite, home, [*steps, evaluation, {"step": 3, "loss": 2.0, "attempt": 2}])
        assert points_of(sample(sqlite), "loss") == [(1, 1.0), (2, 1.0), (3, 2.0)]

    def test_a_bucket_tells_its_mean_beside_its_ends(self, sqlite: Database, home: Path) -> None:
        store(sqlite, home, [{"step": step, "loss": 9.0 if step == 37 else 1.0} for step in range(64)])
        found = sample(sqlite, points=8)
        loss = series_of(found, "loss")
        assert found.steps_per_bucket == 16
        assert loss.means is not None
        means = dict(zip(loss.steps, loss.means, strict=True))
        assert means[37] == pytest.approx(1.0 + 8.0 / 16)
        assert (means[0], means[63]) == (1.0, 1.0)
        assert series_of(sample(sqlite, points=1000), "loss").means is None

    @pytest.mark.every_database
    def test_few_points_are_told_as_they_are(self, database: Database, home: Path) -> None:
        losses = [{"step": step, "epoch": step / 4, "tokens": 10 * step, "loss": 1 / step} for step in (1, 2, 3)]
        evaluation = {"type": EventType.EVALUATION, "step": 3, "loss": 0.5, "eval_accuracy": 1}
        store(database, home, [*losses, evaluation])
        found = sample(database, places=frozenset(Place))
        assert (found.steps_per_bucket, found.sequence, found.is_cut) == (1, 5, False)
        assert [series.name for series in found.series] == ["eval_accuracy", "eval_loss", "loss"]
        loss = series_of(found, "loss")
        assert (loss.steps, loss.values) == ([1, 2, 3], [1, 1 / 2, 1 / 3])
        assert (loss.epochs, loss.tokens, loss.times) == ([0.25, 0.5, 0.75], [10, 20, 30], [1002, 1003, 1004])
        assert points_of(found, "eval_loss") == [(3, 0.5)]

    def test_no_spike_is_lost(self, sqlite: Database, home: Path) -> None:
        drawn = random.Random(3)
        values = [drawn.random() for _ in range(5000)]
        values[1234], values[4321] = 100.0, -100.0
        store(sqlite, home, [{"step": step, "loss": value} for step, value in enumerate(values)])
        found = sample(sqlite, points=100)
        points = points_of(found, "loss")
        assert 50 <= len(points) <= 102
        assert {(1234, 100.0), (4321, -100.0), (0, values[0]), (4999, values[-1])} <= set(points)
        width = found.steps_per_bucket
        for begin in range(0, 5000, width):
            told = [value for step, value in points if begin <= step < begin + width]
            assert {min(values[begin : begin + width]), max(values[begin : begin + width])} <= set(told)

    def test_what_is_no_number(self, sqlite: Database, home: Path) -> None:
        told = [{"step": 1, "loss": 1.0, "name": "x", "is_it": True}, {"step": 2, "loss": None}, {"loss": 5.0}]
        store(sqlite, home, [*told, {"step": "3", "loss": 7.0}])
        found = sample(sqlite)
        assert [series.name for series in found.series] == ["loss"]
        assert points_of(found, "loss") == [(1, 1.0), (2, None)]
        assert '"values":[1.0,null]' in found.model_dump_json(exclude_none=True)

    def test_steps_that_were_told_again(self, sqlite: Database, home: Path) -> None:
        first = [{"step": step, "loss": 1.0, "attempt": 1} for step in range(1, 8)]
        second = [{"step": step, "loss": 2.0, "attempt": 2} for step in range(5, 10)]
        third = [{"step": step, "loss": 3.0, "attempt": 3} for step in range(8, 10)]
        store(sqlite, home, [*first, *second, *third])
        values = [1.0] * 4 + [2.0] * 3 + [3.0] * 2
        assert points_of(sample(sqlite), "loss") == list(enumerate(values, start=1))

    def test_what_came_after(self, sqlite: Database, home: Path) -> None:
        store(sqlite, home, [{"step": step, "loss": 1.0} for step in range(10)])
        assert series_of(sample(sqlite, after=8), "loss").steps == [7, 8, 9]
        assert sample(sqlite, after=11).series == []

    def test_a_range_and_some_names(self, sqlite: Database, home: Path) -> None:
        store(sqlite, home, [{"step": step, "loss": 1.0, "kl": 2.0} for step in range(100)])
        found = sample(sqlite, points=10, from_step=40, to_step=44, names=frozenset({"kl"}))
        assert [series.name for series in found.series] == ["kl"]
        assert (found.steps_per_bucket, series_of(found, "kl").steps) == (1, [40, 41, 42, 43, 44])

    def test_more_metrics_than_are_told(self, sqlite: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finery.domain.runs.metric_samples.MOST_SERIES", 2)
        store(sqlite, home, [{"step": 1, "a": 1.0, "b": 1.0, "c": 1.0}])
        found = sample(sqlite)
        assert (len(found.series), found.is_cut) == (2, True)


class TestRoute:
    def test_its_parameters(self, client: Any) -> None:
        client.post("/jobs", json={"job_id": "a", "model_name": "m", "dataset": "d"})
        path = "/api/v1/runs/a/metrics/series"
        answer = client.get(path, params={"x": ["tokens", "times"], "name": "loss", "from_step": 1, "to_step": 2})
        assert (answer.status_code, answer.json()) == (
            200, {"series": [], "sequence": 1, "steps_per_bucket": 1, "is_cut": False},
        )  # fmt: skip
        for wrong in ({"x": "steps"}, {"points": 0}, {"points": 10**6}, {"after": -1}, {"from_step": "a"}):
            assert client.get(path, params=wrong).status_code == 422
        assert client.get("/api/v1/runs/none/metrics/series").status_code == 404
