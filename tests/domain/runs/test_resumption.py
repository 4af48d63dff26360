"""Going on from what an ended run has left."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from finery.contracts.machine import Machine
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.contracts.run import Run, RunChanges
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.ownership import NotYours
from finery.domain.runs import attempts, claims
from finery.domain.runs.errors import IntentRefused, NotControllable, NothingToResume, RunNotFound
from finery.kit.files import write_json
from tests import builders
from tests.domain.principals import ANN, BOB, LEAD

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def ended(
    database: Database,
    home: Path,
    reason: Reason = Reason.ERROR,
    *,
    actor: Principal = LOCAL_ADMINISTRATOR,
    steps: tuple[int, ...] = (2, 10),
    **config: Any,
) -> str:
    """A training that has ended, with whole checkpoints of `steps`."""
    with database.write() as session:
        wanted = builders.sft(home, id="old", labels={"team": "a"}, name="first", priority=3, config=config)
        run = runs.create(session, wanted, builders.context(home), actor)
    end(database, reason)
    for step in steps:
        folder = home / "runs" / run.uid / "checkpoints" / f"checkpoint-{step}"
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_text(f"weights of {step}")
    return "old"


def end(database: Database, reason: Reason) -> None:
    """Of the run that waits."""
    with database.write() as session:
        claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=20)
        assert claim is not None
    with database.write() as session:
        attempts.finish(session, claim.ref, reason=reason, message=None, ending=None, max_lost=0)


def resume(database: Database, home: Path, run_id: str, actor: Principal = LOCAL_ADMINISTRATOR) -> Run:
    with database.write() as session:
        return runs.resume(session, run_id, actor, builders.context(home))


def get(database: Database, run_id: str) -> Run:
    with database.read() as session:
        return runs.get(session, run_id, LOCAL_ADMINISTRATOR)


@ONE_DATABASE
class TestEndedRun:
    @pytest.mark.parametrize(
        "reason", [Reason.ERROR, Reason.KILLED, Reason.TIMEOUT, Reason.LOST, Reason.STOPPED, Reason.CANCELLED]
    )
    def test_goes_on_as_a_new_run(self, database: Database, home: Path, reason: Reason) -> None:
        before = get(database, ended(database, home, reason, learning_rate=0.25))
        new = resume(database, home, "old")
        assert (new.status, new.resumed_from) == (RunStatus.QUEUED, "old")
        assert new.id != "old"
        assert (new.config, new.requested) == (before.config, before.requested)
        assert (new.labels, new.name, new.priority) == ({"team": "a"}, "first", 3)
        assert get(database, "old") == before

    def test_has_the_last_checkpoint(self, database: Database, home: Path) -> None:
        ended(database, home)
        write_json(home / "runs" / "old" / "batch.json", {"size": 1, "accumulation": 4})
        new = resume(database, home, "old")
        folder = home / "runs" / new.id
        assert [path.name for path in (folder / "checkpoints").iterdir()] == ["checkpoint-10"]
        lent = folder / "checkpoints" / "checkpoint-10" / "model.safetensors"
        assert lent.read_text() == "weights of 10"
        assert lent.stat().st_nlink == 2
        assert (folder / "batch.json").exists()
        with database.write() as session:
            runs.delete(session, "old", builders.context(home), LOCAL_ADMINISTRATOR)
        assert lent.read_text() == "weights of 10"

    def test_is_answered_with_the_same_while_that_is_unfinished(self, database: Database, home: Path) -> None:
        ended(database, home)
        first = resume(database, home, "old")
        assert resume(database, home, "old").id == first.id
        end(database, Reason.ERROR)
        assert resume(database, home, "old").id not in (first.id, "old")

    def test_an_ended_one_is_never_the_answer(self, database: Database, home: Path) -> None:
        """Whichever of them was deleted in between."""
        ended(database, home)
        made = ["old"]
        for deleted in (None, None, 1, 2, 1, None):
            if deleted is not None:
                with database.write() as session:
                    runs.delete(session, made.pop(deleted), builders.context(home), LOCAL_ADMINISTRATOR)
            new = resume(database, home, "old")
            assert (new.status, new.id in made) == (RunStatus.QUEUED, False)
            made.append(new.id)
            end(database, Reason.ERROR)

    @pytest.mark.every_database
    def test_what_it_is_called_may_change_between_two_that_ask(self, database: Database, home: Path) -> None:
        ended(database, home)
        context, first = builders.context(home), []

        def change_and_ask() -> None:
            with database.write() as session:
                changes = RunChanges(shared=True, name="second", labels={"team": "b"})
                runs.change(session, "old", changes, LOCAL_ADMINISTRATOR)
            first.append(resume(database, home, "old").id)

        def machine() -> Machine:
            """Asked for when the late one has looked, and has not begun to write."""
            if not first:
                other = threading.Thread(target=change_and_ask)
                other.start()
                other.join()
            return context.machine()

        with database.write() as session:
            late = runs.resume(session, "old", LOCAL_ADMINISTRATOR, replace(context, machine=machine))
        assert [late.id] == first

    def test_another_who_may_see_it_is_answered_with_it(self, database: Database, home: Path) -> None:
        ended(database, home, actor=ANN)
        first = resume(database, home, "old", ANN)
        assert resume(database, home, "old", LEAD).id == first.id

    def test_a_private_one_of_another_is_neither_told_nor_counted_twice(self, database: Database, home: Path) -> None:
        ended(database, home, actor=ANN)
        of_lead = resume(database, home, "old", LEAD)
        of_ann = resume(database, home, "old", ANN)
        assert of_ann.id != of_lead.id
        assert resume(database, home, "old", ANN).id == of_ann.id

    def test_its_own_output_directory_is_no_hindrance(self, database: Database, home: Path) -> None:
        ended(database, home, output_dir="outputs/mine")
        assert resume(database, home, "old").output_dir == "outputs/mine"

    def test_without_a_whole_checkpoint_refuses(self, database: Database, home: Path) -> None:
        ended(database, home, steps=())
        (home / "runs" / "old" / "checkpoints" / ".partial" / "checkpoint-3").mkdir(parents=True)
        with pytest.raises(NothingToResume, match="no whole checkpoint"):
            resume(database, home, "old")

    def test_a_command_refuses(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.command(id="c"), builders.context(home), LOCAL_ADMINISTRATOR)
        end(database, Reason.ERROR)
        with pytest.raises(NothingToResume, match="begin anew"):
            resume(database, home, "c")

    def test_what_runs_elsewhere_refuses(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.external("job-001"), builders.context(home), LOCAL_ADMINISTRATOR)
        with pytest.raises(NotControllable):
            resume(database, home, "job-001")

    def test_only_its_owner_may(self, database: Database, home: Path) -> None:
        ended(database, home, actor=ANN)
        with pytest.raises(RunNotFound):
            resume(database, home, "old", BOB)
        with database.write() as session:
            runs.change(session, "old", RunChanges(shared=True), ANN)
        with pytest.raises(NotYours):
            resume(database, home, "old", BOB)
        assert resume(database, home, "old", ANN).owner_id == ANN.user_id

    def test_a_transaction_that_fails_leaves_nothing(self, database: Database, home: Path) -> None:
        ended(database, home)
        with database.engine.begin() as connection:
            connection.exec_driver_sql(
                "CREATE TRIGGER refuse BEFORE UPDATE OF requested ON runs BEGIN SELECT RAISE(FAIL, 'no more'); END"
            )
        with pytest.raises(IntegrityError, match="no more"):
            resume(database, home, "old")
        assert [path.name for path in (home / "runs").iterdir()] == ["old"]

    @pytest.mark.parametrize("is_live", [False, True])
    def test_one_that_has_not_ended_refuses(self, database: Database, home: Path, is_live: bool) -> None:
        with database.write() as session:
            runs.create(session, builders.sft(home, id="r"), builders.context(home), LOCAL_ADMINISTRATOR)
        if is_live:
            with database.write() as session:
                claims.claim_next(session, builders.machine(), executor="local", max_passed=20)
        with pytest.raises(IntentRefused):
            resume(database, home, "r")

    def test_one_that_is_still_pausing_goes_on_also_where_its_trainer_has_paused(
        self, database: Database, home: Path
    ) -> None:
        with database.write() as session:
            runs.create(session, builders.sft(home, id="r"), builders.context(home), LOCAL_ADMINISTRATOR)
        with database.write() as session:
            claim = claims.claim_next(session, builders.machine(), executor="local", max_passed=20)
            runs.request_pause(session, "r", LOCAL_ADMINISTRATOR)
        assert claim is not None
        assert (resume(database, home, "r").status, get(database, "r").intent) == (RunStatus.STARTING, None)
        with database.write() as session:
            attempts.finish(session, claim.ref, reason=Reason.PAUSED, message=None, ending=None, max_lost=5)
        assert get(database, "r").status is RunStatus.QUEUED

    def test_one_that_is_being_cancelled_says_so(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.sft(home, id="r"), builders.context(home), LOCAL_ADMINISTRATOR)
        with database.write() as session:
            claims.claim_next(session, builders.machine(), executor="local", max_passed=20)
            runs.request_cancel(session, "r", LOCAL_ADMINISTRATOR)
        with pytest.raises(IntentRefused, match="is being cancelled"):
            resume(database, home, "r")


class TestAtOnce:
    @pytest.mark.every_database
    def test_one_new_run(self, database: Database, home: Path) -> None:
        ended(database, home)
        barrier, found = threading.Barrier(12), []

        def ask() -> None:
            barrier.wait()
            found.append(resume(database, home, "old").id)

        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(found), len(set(found))) == (12, 1)
        assert sorted(path.name for path in (home / "runs").iterdir()) == sorted(["old", found[0]])
