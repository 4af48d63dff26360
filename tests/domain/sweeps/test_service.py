from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from finery.contracts.events import EventType, TrainerEvent
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.contracts.run import RunFilter
from finery.contracts.status import RunStatus
from finery.contracts.sweeps import Goal, NewSweep, SweepChanges, SweepDetails
from finery.db import Database
from finery.db.topics import run_of_topic
from finery.domain import runs, sweeps
from finery.domain.errors import DomainError
from finery.domain.ownership import NotYours
from finery.domain.runs.errors import IdempotencyMismatch, ModelInUse, RunIsLive
from finery.domain.runs.transitions import change_status
from finery.domain.sweeps.errors import InvalidSweep, SweepFinished, SweepNotFound
from finery.models import RunRow
from tests import builders
from tests.domain.principals import ANN, BOB, LEAD
from tests.statements import statements

RATES = {"learning_rate": [1e-4, 2e-4, 4e-4]}


def new_sweep(home: Path, config: dict[str, Any], **fields: Any) -> NewSweep:
    ranking = {name: fields.pop(name) for name in ("metric", "goal") if name in fields}
    return NewSweep(run=builders.sft(home, config=config, **fields), **ranking)


def create(database: Database, home: Path, new: NewSweep, actor: Principal = ANN) -> SweepDetails:
    with database.write() as session:
        return sweeps.create(session, new, builders.context(home), actor)


def run_count(database: Database) -> int:
    with database.read() as session:
        return len(runs.list_page(session, RunFilter(), LOCAL_ADMINISTRATOR, limit=1000).runs)


def end(session: Session, run_id: str, data: dict[str, Any] | None) -> None:
    """Let a run succeed, with the metrics of an evaluation or without one."""
    row = session.query(RunRow).filter_by(id=run_id).one()
    for status in (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.SUCCEEDED):
        change_status(session, row, status)
    if data is not None:
        row.progress = {**row.progress, "evaluation": data}


class TestCreate:
    def test_a_run_for_each_combination(self, database: Database, home: Path) -> None:
        config = {"learning_rate": [1e-4, 2e-4], "lora_rank": [8, 16], "use_lora": True}
        sweep = create(database, home, new_sweep(home, config, labels={"team": "x"}, name="try"))
        assert sweep.run_counts == {RunStatus.QUEUED: 4}
        assert sweep.grid == {"learning_rate": [1e-4, 2e-4], "lora_rank": [8, 16]}
        assert list(sweep.grid) == ["learning_rate", "lora_rank"]
        first = sweep.runs[0]
        assert first.values == {"learning_rate": 1e-4, "lora_rank": 8}
        assert (first.run.name, first.run.labels) == ("try · lr=1e-4 · rank=8", {"team": "x"})
        assert (first.run.config["learning_rate"], first.run.sweep_id) == (1e-4, sweep.id)
        assert len({each.run.output_dir for each in sweep.runs}) == 4
        with database.read() as session:
            assert sweeps.get(session, sweep.id, ANN) == sweep
            assert len(runs.list_page(session, RunFilter(sweep_id=sweep.id), ANN, limit=9).runs) == 4
            assert runs.list_page(session, RunFilter(sweep_id="sweep-none"), ANN, limit=9).runs == []

    def test_one_bad_value_refuses_all(self, database: Database, home: Path) -> None:
        config = {"learning_rate": [1e-4, 2e-4, -1], "lora_rank": [8, 0], "seed": -1}
        with pytest.raises(InvalidSweep) as caught:
            create(database, home, new_sweep(home, config))
        fields = [issue.field for issue in caught.value.issues]
        assert sorted(fields) == ["config.learning_rate[2]", "config.lora_rank[1]", "seed"]
        assert run_count(database) == 0

    def test_data_that_are_not_there_are_named_by_their_place(self, database: Database, home: Path) -> None:
        config = {"dataset_path": ["rows.jsonl", "none.jsonl"]}
        with pytest.raises(InvalidSweep) as caught:
            create(database, home, new_sweep(home, config))
        assert [issue.field for issue in caught.value.issues] == ["config.dataset_path[1]"]

    def test_a_model_that_is_not_there_keeps_its_code(self, database: Database, home: Path) -> None:
        with pytest.raises(DomainError) as caught:
            create(database, home, new_sweep(home, {"model_name": ["finery/tiny-llama", "outputs/none"]}))
        assert {issue.field for issue in caught.value.issues} <= {"config.model_name[1]"}
        assert run_count(database) == 0

    @pytest.mark.every_database
    def test_the_same_key_again(self, database: Database, home: Path) -> None:
        new = new_sweep(home, RATES, idempotency_key="k")
        first = create(database, home, new)
        assert create(database, home, new) == first
        (home / "rows.jsonl").unlink()
        assert create(database, home, new) == first
        assert create(database, home, new_sweep(home, RATES, idempotency_key="k"), BOB).id != first.id
        with pytest.raises(IdempotencyMismatch):
            create(database, home, new_sweep(home, {"seed": [1, 2]}, idempotency_key="k"))

    @pytest.mark.every_database
    def test_the_same_key_at_once(self, database: Database, home: Path) -> None:
        new = new_sweep(home, RATES, idempotency_key="k")
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda _: create(database, home, new).id, range(4)))
        assert len(set(made)) == 1
        assert run_count(database) == 3


READS: dict[str, Callable[[Session, str, Path, Principal], Any]] = {
    "get": lambda session, sweep_id, home, actor: sweeps.get(session, sweep_id, actor),
}
WRITES: dict[str, Callable[[Session, str, Path, Principal], Any]] = {
    "change": lambda session, sweep_id, home, actor: sweeps.change(session, sweep_id, SweepChanges(name="x"), actor),
    "cancel": lambda session, sweep_id, home, actor: sweeps.cancel(session, sweep_id, actor),
    "delete": lambda session, sweep_id, home, actor: sweeps.delete(
        session, sweep_id, builders.context(home), actor, with_runs=False
    ),
}


class TestOwnership:
    @pytest.mark.parametrize("name", [*READS, *WRITES])
    def test_anothers_is_as_none(self, database: Database, home: Path, name: str) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        with pytest.raises(SweepNotFound), database.write() as session:
            {**READS, **WRITES}[name](session, sweep.id, home, BOB)
        with database.read() as session:
            assert sweeps.list_page(session, BOB, limit=9).sweeps == []

    @pytest.mark.parametrize("name", [*READS, *WRITES])
    def test_those_who_see_all(self, database: Database, home: Path, name: str) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        with database.write() as session:
            {**READS, **WRITES}[name](session, sweep.id, home, LEAD)

    @pytest.mark.parametrize("name", WRITES)
    def test_a_shared_one_is_read_and_not_changed(self, database: Database, home: Path, name: str) -> None:
        sweep = create(database, home, new_sweep(home, RATES, shared=True))
        with database.read() as session:
            assert len(sweeps.get(session, sweep.id, BOB).runs) == 3
        with pytest.raises(NotYours), database.write() as session:
            WRITES[name](session, sweep.id, home, BOB)

    def test_it_is_shared_with_its_runs(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        with database.write() as session:
            changed = sweeps.change(session, sweep.id, SweepChanges(shared=True), ANN)
        assert changed.shared
        with database.read() as session:
            assert sweeps.get(session, sweep.id, BOB).run_counts == {RunStatus.QUEUED: 3}
            assert len(runs.list_page(session, RunFilter(), BOB, limit=9).runs) == 3

    def test_streams_are_told_which_runs_are_shared_or_no_longer(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        told: list[str] = []
        database.on_commit(lambda topics: told.extend(topics or ()))
        with database.write() as session:
            sweeps.change(session, sweep.id, SweepChanges(shared=True), ANN)
        assert {run_of_topic(topic) for topic in told} >= {each.run.number for each in sweep.runs}
        assert not any(map(runs.removal_of, told))
        with database.write() as session:
            changed = sweeps.change(session, sweep.id, SweepChanges(shared=False), ANN)
        removals = filter(None, map(runs.removal_of, told))
        assert {removal.id for removal in removals if removal.concerns(BOB)} == {each.run.id for each in sweep.runs}
        assert all(new.run.updated_at > old.run.updated_at for new, old in zip(changed.runs, sweep.runs, strict=True))

    def test_a_run_that_a_lead_resumed_is_the_leads(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        with database.write() as session:
            leads = runs.create(session, builders.sft(home, sweep_id=sweep.id), builders.context(home), LEAD).id
        with database.write() as session:
            sweeps.change(session, sweep.id, SweepChanges(shared=True), ANN)
            sweeps.cancel(session, sweep.id, ANN)
        with database.write() as session:
            sweeps.delete(session, sweep.id, builders.context(home), ANN, with_runs=True)
        with database.read() as session:
            (run,) = runs.list_page(session, RunFilter(), LEAD, limit=9).runs
        assert (run.id, run.shared, run.status, run.sweep_id) == (leads, False, RunStatus.QUEUED, None)


class TestBest:
    def test_the_smallest_loss_of_an_evaluation(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        assert (sweep.ranked_by, sweep.ranked_for) == ("loss", Goal.MIN)
        with database.write() as session:
            end(session, sweep.runs[0].run.id, {"loss": 2.0, "token_accuracy": 0.9})
            end(session, sweep.runs[1].run.id, {"loss": 1.0, "token_accuracy": 0.5})
        with database.read() as session:
            found = sweeps.get(session, sweep.id, ANN)
            by_accuracy = sweeps.get(session, sweep.id, ANN, metric="eval_token_accuracy")
            worst = sweeps.get(session, sweep.id, ANN, metric="eval_loss", goal=Goal.MAX)
        assert (found.ranked_by, [each.is_best for each in found.runs]) == ("eval_loss", [False, True, False])
        assert [each.score for each in found.runs] == [2.0, 1.0, None]
        assert [each.is_best for each in by_accuracy.runs] == [True, False, False]
        assert [each.is_best for each in worst.runs] == [True, False, False]

    def test_an_unfinished_run_is_not_the_best(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES, metric="token_accuracy"))
        assert sweep.ranked_for is Goal.MAX
        assert not any(each.is_best for each in sweep.runs)

    def test_a_graded_recipe_is_ranked_by_reward(self) -> None:
        from finery.domain.sweeps.scores import ranking_of

        assert ranking_of("grpo", [], None, None) == ("reward", Goal.MAX)

    def test_the_newest_evaluation_stands_on_the_run(self, database: Database, home: Path) -> None:
        from finery.domain.runs import attempts, claims

        sweep = create(database, home, new_sweep(home, RATES))
        events = [
            TrainerEvent(type=EventType.EVALUATION, at=1.0, data={"step": 1, "loss": 3.0}),
            TrainerEvent(type=EventType.PROGRESS, at=1.0, data={"step": 2, "loss": 2.5, "evaluation": 7}),
            TrainerEvent(type=EventType.EVALUATION, at=1.0, data={"step": 2, "loss": 2.0}),
            TrainerEvent(type=EventType.PROGRESS, at=1.0, data={"step": 3, "loss": 1.5}),
        ]
        with database.write() as session:
            claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=1)
            assert claim is not None
            attempts.record_events(session, claim.ref, start=0, end=1, events=events)
        with database.read() as session:
            run = next(each.run for each in sweeps.get(session, sweep.id, ANN).runs if each.run.id == claim.run_id)
        assert (run.progress.evaluation, run.progress.loss) == ({"step": 2, "loss": 2.0}, 1.5)


class TestCancel:
    @pytest.mark.every_database
    def test_all_that_have_not_ended(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        with database.write() as session:
            end(session, sweep.runs[0].run.id, None)
        with database.write() as session:
            cancelled = sweeps.cancel(session, sweep.id, ANN)
        assert cancelled.run_counts == {RunStatus.SUCCEEDED: 1, RunStatus.CANCELLED: 2}
        with pytest.raises(SweepFinished), database.write() as session:
            sweeps.cancel(session, sweep.id, ANN)


class TestDelete:
    def test_its_runs_stay(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        with database.write() as session:
            sweeps.delete(session, sweep.id, builders.context(home), ANN, with_runs=False)
        with database.read() as session:
            assert {run.sweep_id for run in runs.list_page(session, RunFilter(), ANN, limit=9).runs} == {None}
            assert sweeps.list_page(session, ANN, limit=9).sweeps == []

    def test_with_its_runs_once_they_have_ended(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        with database.write() as session:
            end(session, sweep.runs[0].run.id, None)
        with pytest.raises(RunIsLive), database.write() as session:
            sweeps.delete(session, sweep.id, builders.context(home), ANN, with_runs=True)
        assert run_count(database) == 3
        with database.write() as session:
            sweeps.cancel(session, sweep.id, ANN)
        with database.write() as session:
            sweeps.delete(session, sweep.id, builders.context(home), ANN, with_runs=True)
        assert run_count(database) == 0

    def test_who_needs_their_models_is_asked_once(self, database: Database, home: Path) -> None:
        searches = []
        for seeds in ([1, 2], [1, 2, 3, 4, 5]):
            sweep = create(database, home, new_sweep(home, {"seed": seeds}))
            with database.write() as session:
                sweeps.cancel(session, sweep.id, ANN)
            with statements(database) as asked, database.write() as session:
                sweeps.delete(session, sweep.id, builders.context(home), ANN, with_runs=True)
            searches.append(sum(" LIKE " in each for each in asked))
        assert searches == [1, 1]

    def test_a_run_whose_checkpoint_is_needed(self, database: Database, home: Path) -> None:
        sweep = create(database, home, new_sweep(home, RATES))
        with database.write() as session:
            sweeps.cancel(session, sweep.id, ANN)
        checkpoint = builders.context(home).home.run(sweep.runs[1].run.uid).checkpoints / "step-1"
        with database.write() as session:
            other = runs.create(session, builders.sft(home), builders.context(home), BOB).id
            row = session.query(RunRow).filter_by(id=other).one()
            row.spec = row.spec.model_copy(update={"models": {"model_name": str(checkpoint)}})
        with pytest.raises(ModelInUse, match="somebody's run"), database.write() as session:
            sweeps.delete(session, sweep.id, builders.context(home), ANN, with_runs=True)
        assert run_count(database) == 4


class TestList:
    def test_newest_first_in_pages(self, database: Database, home: Path) -> None:
        made = [create(database, home, new_sweep(home, {"seed": [number, number + 1]})).id for number in range(3)]
        with database.read() as session:
            page = sweeps.list_page(session, ANN, limit=2)
            rest = sweeps.list_page(session, ANN, limit=2, cursor=page.next_cursor)
        assert [each.id for each in (*page.sweeps, *rest.sweeps)] == made[::-1]
        assert (page.sweeps[0].run_counts, rest.next_cursor) == ({RunStatus.QUEUED: 2}, None)
