"""Every function of `domain.runs` that takes who asks, with two users."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import LOCAL_ADMINISTRATOR, SERVER, Principal
from finery.contracts.run import NewRun, Run, RunChanges, RunFilter
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.errors import DomainError
from finery.domain.ownership import NotYours
from finery.domain.runs.errors import IdempotencyMismatch, OutputTaken, RunAmbiguous, RunExists, RunNotFound
from finery.models import RunRow
from tests import builders
from tests.domain.principals import ANN, BOB, LEAD, NO_ACCOUNT

Act = Callable[[Session, str, Path, Principal], Any]

READS: dict[str, Act] = {
    "get": lambda session, run_id, home, actor: runs.get(session, run_id, actor),
    "list_events": lambda session, run_id, home, actor: runs.list_events(session, run_id, actor),
    "metrics": lambda session, run_id, home, actor: runs.metrics(session, run_id, actor, points=9),
    "export": lambda session, run_id, home, actor: runs.export(session, run_id, actor),
    "list_artifacts": lambda session, run_id, home, actor: runs.list_artifacts(session, run_id, actor),
    "log_path": lambda session, run_id, home, actor: runs.log_path(session, run_id, builders.context(home), actor),
}
WRITES: dict[str, Act] = {
    "request_cancel": lambda session, run_id, home, actor: runs.request_cancel(session, run_id, actor),
    "request_stop": lambda session, run_id, home, actor: runs.request_stop(session, run_id, actor),
    "request_pause": lambda session, run_id, home, actor: runs.request_pause(session, run_id, actor),
    "request_checkpoint": lambda session, run_id, home, actor: runs.request_checkpoint(session, run_id, actor),
    "resume": lambda session, run_id, home, actor: runs.resume(session, run_id, actor, builders.context(home)),
    "report": lambda session, run_id, home, actor: runs.report(session, run_id, RunStatus.RUNNING, None, actor),
    "change": lambda session, run_id, home, actor: runs.change(session, run_id, RunChanges(shared=True), actor),
    "delete": lambda session, run_id, home, actor: runs.delete(session, run_id, builders.context(home), actor),
}
ALL = {**READS, **WRITES}


def create(database: Database, home: Path, new: NewRun, actor: Principal) -> Run:
    with database.write() as session:
        return runs.create(session, new, builders.context(home), actor)


def act(database: Database, home: Path, name: str, run_id: str, actor: Principal) -> Any:
    with database.write() as session:
        return ALL[name](session, run_id, home, actor)


def is_of(answer: Any, run_id: str) -> bool:
    """Whether an answer is the run, or what was asked for of it."""
    return answer.id == run_id if isinstance(answer, Run) else answer is not None


def refusal(database: Database, home: Path, new: NewRun, actor: Principal) -> tuple[type[DomainError], str]:
    with pytest.raises(DomainError) as caught:
        create(database, home, new, actor)
    return type(caught.value), str(caught.value)


class TestPrivate:
    @pytest.mark.parametrize("actor", [BOB, NO_ACCOUNT], ids=lambda actor: actor.name)
    @pytest.mark.parametrize("name", ALL)
    def test_as_if_there_were_none(self, database: Database, home: Path, name: str, actor: Principal) -> None:
        create(database, home, builders.sft(home, id="r"), ANN)
        with pytest.raises(RunNotFound) as there:
            act(database, home, name, "r", actor)
        with pytest.raises(RunNotFound) as nowhere:
            act(database, home, name, "x", actor)
        assert str(there.value).replace("'r'", "'x'") == str(nowhere.value)

    @pytest.mark.parametrize("actor", [BOB, NO_ACCOUNT], ids=lambda actor: actor.name)
    def test_nobodys_run_is_for_those_who_see_all(self, database: Database, home: Path, actor: Principal) -> None:
        create(database, home, builders.sft(home, id="r"), LOCAL_ADMINISTRATOR)
        with pytest.raises(RunNotFound):
            act(database, home, "get", "r", actor)

    @pytest.mark.parametrize("actor", [ANN, LEAD, SERVER], ids=lambda actor: actor.name)
    @pytest.mark.parametrize("name", [*READS, "request_pause", "change", "request_cancel"])
    def test_its_owner_and_those_who_see_all(self, database: Database, home: Path, name: str, actor: Principal) -> None:
        create(database, home, builders.sft(home, id="r"), ANN)
        assert is_of(act(database, home, name, "r", actor), "r")


class TestShared:
    @pytest.mark.parametrize("name", READS)
    def test_all_may_read(self, database: Database, home: Path, name: str) -> None:
        create(database, home, builders.sft(home, id="r", shared=True), ANN)
        assert is_of(act(database, home, name, "r", BOB), "r")

    @pytest.mark.parametrize("name", WRITES)
    def test_only_its_owner_may_write(self, database: Database, home: Path, name: str) -> None:
        create(database, home, builders.sft(home, id="r", shared=True), ANN)
        with pytest.raises(NotYours):
            act(database, home, name, "r", BOB)


class TestCreate:
    def test_it_is_theirs_and_private(self, database: Database, home: Path) -> None:
        run = create(database, home, builders.command(), ANN)
        assert (run.owner_id, run.shared) == (ANN.user_id, False)

    def test_of_nobody(self, database: Database, home: Path) -> None:
        assert create(database, home, builders.command(), LOCAL_ADMINISTRATOR).owner_id is None

    @pytest.mark.parametrize("new", [builders.external("job"), builders.command(id="job")], ids=["external", "native"])
    def test_each_owner_chooses_ids_of_their_own(self, database: Database, home: Path, new: NewRun) -> None:
        made = {actor.name: create(database, home, new, actor) for actor in (ANN, BOB)}
        assert [run.id for run in made.values()] == ["job", "job"]
        assert len({run.uid for run in made.values()} | {"job"}) == 3
        for actor in (ANN, BOB):
            assert act(database, home, "get", "job", actor) == made[actor.name]
            assert refusal(database, home, new, actor) == (RunExists, "you have a run 'job' already; choose another id")
            taken = builders.external(made[actor.name].uid)
            assert refusal(database, home, taken, actor)[0] is RunExists

    def test_who_sees_several_gets_their_own_or_hears_of_them(self, database: Database, home: Path) -> None:
        made = {
            actor.name: create(database, home, builders.external("job", shared=True), actor) for actor in (ANN, BOB)
        }
        assert act(database, home, "get", "job", ANN) == made["ann"]
        with pytest.raises(RunAmbiguous) as refused:
            act(database, home, "get", "job", LEAD)
        for run in made.values():
            assert repr(run.uid) in str(refused.value)
            assert act(database, home, "get", run.uid, LEAD) == run
        act(database, home, "request_cancel", made["bob"].uid, LEAD)
        assert act(database, home, "get", "job", ANN).status is RunStatus.QUEUED

    def test_a_runs_own_id_goes_before_what_another_chose(self, database: Database, home: Path) -> None:
        anns = create(database, home, builders.command(shared=True), ANN)
        bobs = create(database, home, builders.external(anns.uid, shared=True), BOB)
        assert act(database, home, "get", anns.uid, LEAD) == act(database, home, "get", anns.uid, ANN) == anns
        assert act(database, home, "get", anns.uid, BOB) == bobs

    @pytest.mark.every_database
    def test_fifty_at_once_are_one_run_of_each(self, database: Database, home: Path) -> None:
        def submit(number: int) -> bool:
            try:
                create(database, home, builders.external("job"), (ANN, BOB)[number % 2])
            except RunExists:
                return False
            return True

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(submit, range(50))) == 2


class TestChange:
    def test_only_what_is_set(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="r", name="old", labels={"a": "1"}), ANN)
        with database.write() as session:
            run = runs.change(session, "r", RunChanges(shared=True), ANN)
            assert (run.shared, run.name, run.labels) == (True, "old", {"a": "1"})
            run = runs.change(session, "r", RunChanges(name=None, labels={"b": "2"}), ANN)
        assert act(database, home, "get", "r", BOB) == run
        assert (run.shared, run.name, run.labels) == (True, None, {"b": "2"})

    def test_private_again(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="r", shared=True), ANN)
        with database.write() as session:
            runs.change(session, "r", RunChanges(shared=False), ANN)
        with pytest.raises(RunNotFound):
            act(database, home, "get", "r", BOB)


class TestListPage:
    def test_each_sees_theirs_and_what_is_shared(self, database: Database, home: Path) -> None:
        for number, (actor, shared) in enumerate(
            [(ANN, False), (BOB, False), (ANN, True), (LOCAL_ADMINISTRATOR, False)]
        ):
            create(database, home, builders.command(id=f"r{number}", shared=shared), actor)
        for actor, found in [
            (ANN, ["r2", "r0"]),
            (BOB, ["r2", "r1"]),
            (NO_ACCOUNT, ["r2"]),
            (LEAD, ["r3", "r2", "r1", "r0"]),
        ]:
            with database.read() as session:
                assert [run.id for run in runs.list_page(session, RunFilter(), actor, limit=9).runs] == found

    def test_pages_are_full_though_others_runs_lie_between(self, database: Database, home: Path) -> None:
        for number in range(6):
            create(database, home, builders.command(id=f"r{number}"), (ANN, BOB)[number % 2])
        with database.read() as session:
            first = runs.list_page(session, RunFilter(), ANN, limit=2)
            second = runs.list_page(session, RunFilter(), ANN, limit=2, cursor=first.next_cursor)
            offset = runs.list_page(session, RunFilter(), ANN, limit=2, offset=1)
        assert [run.id for run in first.runs] == ["r4", "r2"]
        assert ([run.id for run in second.runs], second.next_cursor) == (["r0"], None)
        assert [run.id for run in offset.runs] == ["r2", "r0"]


class TestIdempotencyKey:
    def test_each_owner_has_keys_of_their_own(self, database: Database, home: Path) -> None:
        theirs = {
            create(database, home, builders.command(program, idempotency_key="k"), actor).id
            for actor, program in [(ANN, "true"), (BOB, "false"), (LOCAL_ADMINISTRATOR, "env")]
        }
        assert len(theirs) == 3
        with pytest.raises(IdempotencyMismatch):
            create(database, home, builders.command("false", idempotency_key="k"), ANN)

    @pytest.mark.every_database
    def test_fifty_at_once_are_one_run_of_each(self, database: Database, home: Path) -> None:
        new = builders.command(idempotency_key="k")
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda n: create(database, home, new, (ANN, BOB)[n % 2]), range(50)))
        assert len({run.id for run in answers}) == 2
        assert {(run.id, run.owner_id) for run in answers} == {(answers[n].id, answers[n].owner_id) for n in (0, 1)}

    def test_without_an_owner_it_is_stored_as_it_is(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(idempotency_key="k"), LOCAL_ADMINISTRATOR)
        create(database, home, builders.command(idempotency_key="k" * 200), ANN)
        with database.read() as session:
            mine, anns = session.scalars(select(RunRow.idempotency_key).order_by(RunRow.number))
        assert mine == "k"
        assert anns is not None
        assert len(anns) == 64


class TestOutput:
    @pytest.mark.parametrize("output_dir", ["outputs/x", "outputs/x/deeper", "outputs/y/../x"])
    @pytest.mark.parametrize("shared", [False, True])
    def test_anothers_is_refused_also_when_it_has_ended(
        self, database: Database, home: Path, output_dir: str, shared: bool
    ) -> None:
        create(database, home, builders.command(id="anns-run", output_dir="outputs/x", shared=shared), ANN)
        new = builders.command(output_dir=output_dir)
        message = f"output_dir {output_dir!r} is taken; choose another output_dir"
        assert refusal(database, home, new, BOB) == (OutputTaken, message)
        act(database, home, "request_cancel", "anns-run", ANN)
        assert refusal(database, home, new, BOB) == (OutputTaken, message)
        assert create(database, home, builders.command(output_dir="outputs/x"), ANN).output_dir == "outputs/x"

    def test_what_lies_in_it_is_not_told(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="r", output_dir="outputs/x"), ANN)
        (home / "outputs" / "x").mkdir(parents=True)
        (home / "outputs" / "x" / "is").write_text("there")
        there = refusal(database, home, builders.command(output_dir="outputs/x/is"), BOB)
        nowhere = refusal(database, home, builders.command(output_dir="outputs/x/no"), BOB)
        assert there == (nowhere[0], nowhere[1].replace("x/no", "x/is"))

    def test_those_who_see_all_may_replace_it(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(id="r", output_dir="outputs/x"), ANN)
        kind, text = refusal(database, home, builders.command(output_dir="outputs/x"), LEAD)
        assert (kind, "'r'" in text) == (OutputTaken, True)
        act(database, home, "request_cancel", "r", ANN)
        create(database, home, builders.command(output_dir="outputs/x"), LEAD)

    @pytest.mark.parametrize("name", ["outputs/t", "outputs/t/u", "./outputs/t/"])
    def test_around_it(self, database: Database, home: Path, name: str) -> None:
        """What is put there replaces all that is below, also what a run that is under way will have put there."""
        create(database, home, builders.command(id="r", output_dir="outputs/t/u/x"), ANN)
        kind, text = refusal(database, home, builders.command(output_dir=name), BOB)
        assert (kind, "'r'" in text) == (OutputTaken, False)
        create(database, home, builders.command(output_dir="outputs/t_u"), BOB)
        # Its owner meant the one folder that they named, and hears what else would go.
        assert refusal(database, home, builders.command(output_dir=name), ANN)[1].count("holds the output of run 'r'")

    @pytest.mark.parametrize("name", ["huggingface/hub/models--a--b/snapshots/main", "models.yaml", "models.yaml/x"])
    def test_what_the_server_reads_is_no_output(self, database: Database, home: Path, name: str) -> None:
        _, text = refusal(database, home, builders.command(output_dir=name), LEAD)
        assert "the server itself uses" in text

    def test_beside_it_is_free(self, database: Database, home: Path) -> None:
        create(database, home, builders.command(output_dir="outputs/x"), ANN)
        assert create(database, home, builders.command(output_dir="outputs/xy"), BOB).status is RunStatus.QUEUED

    def test_a_raced_one_does_not_name_its_run(
        self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create(database, home, builders.command(id="anns-run", output_dir="outputs/x"), ANN)
        # The check came before the other's commit: the unique index speaks.
        monkeypatch.setattr("finery.domain.runs.output_dirs.is_anothers_output", lambda *_: False)
        kind, text = refusal(database, home, builders.command(output_dir="outputs/x"), BOB)
        assert (kind, "anns-run" in text) == (OutputTaken, False)
