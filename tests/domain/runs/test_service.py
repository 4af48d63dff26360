from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun, Resources, Run, RunFilter
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.cursors import BadCursor
from finery.domain.errors import DomainError
from finery.domain.runs.errors import (
    IdempotencyMismatch,
    InvalidRun,
    NotReportable,
    OutputTaken,
    RunExists,
    RunIsLive,
    TransitionRefused,
)
from tests import builders


def create(database: Database, home: Path, new: NewRun) -> Run:
    with database.write() as session:
        return runs.create(session, new, builders.context(home), LOCAL_ADMINISTRATOR)


class TestCreate:
    def test_accepted_with_defaults_filled_in(self, database: Database, home: Path) -> None:
        run = create(database, home, builders.sft(home))
        assert run.status is RunStatus.QUEUED
        assert run.config["lora_rank"] == 16
        assert run.requested == {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl"}
        assert run.output_dir == f"outputs/{run.id}"
        assert run.log_file == f"outputs/training_logs/job_{run.id}.log"

    @pytest.mark.parametrize(
        ("config", "field", "says"),
        [
            ({"learning_rate": "nan"}, "learning_rate", "finite"),
            ({"learning_rate": float("inf")}, "learning_rate", "finite"),
            ({"learning_rate": -1e-5}, "learning_rate", "greater than 0"),
            ({"num_epochs": 10**18}, "num_epochs", "10000"),
            ({"batch_size": 0}, "batch_size", "1"),
            ({"lerning_rate": 1e-5}, "lerning_rate", "'learning_rate'"),
            ({"dataset_path": "/etc/passwd"}, "dataset_path", "outside"),
            ({"dataset_path": "~/x.json"}, "dataset_path", "home"),
            ({"output_dir": "../x"}, "output_dir", "outside"),
            ({"output_dir": "."}, "output_dir", "server itself"),
            ({"output_dir": "runs/x"}, "output_dir", "server itself"),
            ({"model_name": "finery/tiny-lama"}, "model_name", "finery/tiny-llama"),
            ({"model_name": "outputs/none"}, "model_name", "no folder"),
            ({"trust_remote_code": True}, "trust_remote_code", "must be false"),
        ],
    )
    def test_bad_configuration_names_its_field(
        self, database: Database, home: Path, config: dict[str, object], field: str, says: str
    ) -> None:
        with pytest.raises(DomainError) as caught:
            create(database, home, builders.sft(home, config=config))
        assert [issue.field for issue in caught.value.issues] == [field]
        assert says in caught.value.issues[0].message

    def test_text_that_is_a_number_counts(self, database: Database, home: Path) -> None:
        assert (
            create(database, home, builders.sft(home, config={"learning_rate": "1e-5"})).config["learning_rate"] == 1e-5
        )

    def test_a_symbolic_link_cannot_lead_outside(self, database: Database, home: Path) -> None:
        (home / "link").symlink_to("/etc")
        with pytest.raises(InvalidRun):
            create(database, home, builders.sft(home, config={"dataset_path": "link/passwd"}))

    def test_pickled_weights_are_refused(self, database: Database, home: Path) -> None:
        (home / "old").mkdir()
        (home / "old" / "config.json").write_text("{}")
        (home / "old" / "pytorch_model.bin").write_bytes(b"\x80")
        with pytest.raises(DomainError, match="safetensors"):
            create(database, home, builders.sft(home, config={"model_name": "./old"}))

    def test_unknown_recipe(self, database: Database, home: Path) -> None:
        with pytest.raises(InvalidRun, match="did you mean 'sft'"):
            create(database, home, NewRun(source="native", recipe="stf"))

    @pytest.mark.parametrize("resources", [Resources(gpus=1), Resources(cpu_slots=3)])
    def test_more_than_the_machine_has(self, database: Database, home: Path, resources: Resources) -> None:
        with pytest.raises(InvalidRun, match="this machine has"):
            create(database, home, builders.command(resources=resources))

    @pytest.mark.parametrize("variable", ["LD_PRELOAD", "PATH", "CUDA_VISIBLE_DEVICES"])
    def test_variables_of_the_server(self, database: Database, home: Path, variable: str) -> None:
        with pytest.raises(InvalidRun, match=variable):
            create(database, home, builders.command("true", environment={variable: "x"}))

    def test_a_taken_id(self, database: Database, home: Path) -> None:
        create(database, home, builders.external("job-001"))
        with pytest.raises(RunExists):
            create(database, home, builders.external("job-001"))

    @pytest.mark.parametrize("run_id", ["", "../x", "a/b", "x" * 129, "a\nb"])
    def test_an_unusable_id(self, database: Database, home: Path, run_id: str) -> None:
        with pytest.raises(InvalidRun):
            create(database, home, builders.external(run_id))
        with pytest.raises(InvalidRun):
            create(database, home, builders.command(id=run_id))

    def test_two_live_runs_never_share_an_output(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="a", output_dir="outputs/x"))
        with pytest.raises(OutputTaken, match="'a'"):
            create(database, home, builders.command(id="b", output_dir="outputs/../outputs/x"))

    def test_an_output_is_free_again_after_the_end(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="a", output_dir="outputs/x"))
        with database.write() as session:
            runs.request_cancel(session, "a", LOCAL_ADMINISTRATOR)
        assert create(database, home, builders.command(id="b", output_dir="outputs/x")).output_dir == "outputs/x"

    def test_a_strangers_folder_is_not_overwritten(self, database: Database, home: Path) -> None:
        (home / "outputs" / "thesis").mkdir(parents=True)
        (home / "outputs" / "thesis" / "chapter.txt").write_text("mine")
        with pytest.raises(OutputTaken):
            create(database, home, builders.command(output_dir="outputs/thesis"))

    def test_a_drawn_id_that_is_taken_is_drawn_again(
        self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn = iter(["aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
        monkeypatch.setattr("finery.domain.runs.validation.short_id", lambda: next(drawn))
        assert [create(database, home, builders.command()).id for _ in range(2)] == ["aaaaaaaa", "bbbbbbbb"]

    @pytest.mark.every_database
    def test_fifty_times_the_same_key_is_one_run(self, database: Database, home: Path) -> None:
        new = builders.command(idempotency_key="k")
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: create(database, home, new), range(50)))
        assert len({run.id for run in answers}) == 1

    def test_the_same_key_with_another_body(self, database: Database, home: Path) -> None:
        create(database, home, builders.command("true", idempotency_key="k"))
        with pytest.raises(IdempotencyMismatch):
            create(database, home, builders.command("false", idempotency_key="k"))


class TestListPage:
    def test_newest_first_page_by_page(self, database: Database, home: Path) -> None:
        for number in range(5):
            create(database, home, builders.command(id=f"r{number}"))
        with database.read() as session:
            first = runs.list_page(session, RunFilter(), LOCAL_ADMINISTRATOR, limit=2)
            second = runs.list_page(session, RunFilter(), LOCAL_ADMINISTRATOR, limit=9, cursor=first.next_cursor)
        assert [run.id for run in first.runs] == ["r4", "r3"]
        assert [run.id for run in second.runs] == ["r2", "r1", "r0"]
        assert second.next_cursor is None

    def test_filters(self, database: Database, home: Path) -> None:
        made = create(database, home, builders.command(id="run-a", labels={"team": "x"}))
        create(database, home, builders.external("run-b"))
        with database.write() as session:
            runs.request_cancel(session, "run-b", LOCAL_ADMINISTRATOR)
        for found, run_filter in [
            (["run-b"], RunFilter(recipe="external")),
            (["run-a"], RunFilter(statuses=frozenset({RunStatus.QUEUED}))),
            (["run-a"], RunFilter(label=("team", "x"))),
            ([], RunFilter(label=("team", "y"))),
            (["run-b", "run-a"], RunFilter(id_prefix="run-")),
            (["run-a"], RunFilter(id_prefix=made.uid[:7])),
            ([], RunFilter(id_prefix="RUN-")),
            ([], RunFilter(id_prefix="run%")),
        ]:
            with database.read() as session:
                assert [
                    run.id for run in runs.list_page(session, run_filter, LOCAL_ADMINISTRATOR, limit=10).runs
                ] == found

    @pytest.mark.parametrize("cursor", ["", "x", "-1", "1" * 30, "１"])
    def test_a_strange_cursor(self, database: Database, cursor: str) -> None:
        with pytest.raises(BadCursor), database.read() as session:
            runs.list_page(session, RunFilter(), LOCAL_ADMINISTRATOR, limit=1, cursor=cursor)


class TestReport:
    def test_an_external_runs_life(self, database: Database, home: Path) -> None:
        create(database, home, builders.external("job-001"))
        for status in (RunStatus.RUNNING, RunStatus.RUNNING, RunStatus.FAILED):
            with database.write() as session:
                run = runs.report(
                    session, "job-001", status, "gone" if status.is_finished else None, LOCAL_ADMINISTRATOR
                )
        assert (run.status, run.error) == (RunStatus.FAILED, "gone")
        with pytest.raises(TransitionRefused), database.write() as session:
            runs.report(session, "job-001", RunStatus.RUNNING, None, LOCAL_ADMINISTRATOR)

    def test_the_servers_own_runs_take_none(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="a"))
        with pytest.raises(NotReportable), database.write() as session:
            runs.report(session, "a", RunStatus.RUNNING, None, LOCAL_ADMINISTRATOR)


class TestDelete:
    def test_not_before_its_end(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="a"))
        with pytest.raises(RunIsLive), database.write() as session:
            runs.delete(session, "a", builders.context(home), LOCAL_ADMINISTRATOR)

    def test_all_that_belongs_to_it_goes(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="a"))
        with database.write() as session:
            runs.request_cancel(session, "a", LOCAL_ADMINISTRATOR)
        with database.write() as session:
            runs.delete(session, "a", builders.context(home), LOCAL_ADMINISTRATOR)
        with database.read() as session:
            assert runs.list_page(session, RunFilter(), LOCAL_ADMINISTRATOR, limit=9).runs == []


class TestMetrics:
    def test_thinned_evenly_with_the_last_kept(self, database: Database, home: Path) -> None:
        from finery.contracts.events import EventType, TrainerEvent
        from finery.domain.runs import attempts, claims

        create(database, home, builders.command(id="a"))
        rows = [TrainerEvent(type=EventType.PROGRESS, at=1.0, data={"step": step}) for step in range(1, 101)]
        rows.insert(50, TrainerEvent(type=EventType.EVALUATION, at=1.0, data={"step": 50, "loss": 1.0}))
        with database.write() as session:
            claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=1)
            assert claim is not None
            attempts.record_events(session, claim.ref, start=0, end=1, events=rows)
        with database.read() as session:
            found = runs.metrics(session, "a", LOCAL_ADMINISTRATOR, points=10)
        assert [row["step"] for row in found if row["type"] == "progress"] == list(range(10, 101, 10))
        assert [row["step"] for row in found if row["type"] == "evaluation"] == [50]
        with database.read() as session:
            everything = list(runs.iter_metrics(session, "a", LOCAL_ADMINISTRATOR))
        assert [data["step"] for _, data in everything] == [*range(1, 51), 50, *range(51, 101)]
        assert everything[50] == ("evaluation", {"step": 50, "loss": 1.0})
