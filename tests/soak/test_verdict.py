"""The judge finds what it looks for: each fault is made by hand, beside the rules that keep it away."""

import os
import subprocess
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from finery.contracts.layout import MARK_VARIABLE
from finery.db import Database
from finery.kit.home_identity import identify_home
from finery.models import EventRow, LeaseRow, RunRow
from tests.soak import verdict
from tests.soak.clients import Clients
from tests.soak.world import World


def broken(world: World, clients: Clients) -> dict[str, int]:
    return {promise: count for promise, count in verdict.judge(world, clients).broken.items() if count}


class TestJudge:
    def test_finds_nothing_where_all_is_well(self, world: World, clients: Clients) -> None:
        found = verdict.judge(world, clients)
        assert found.ends == {"succeeded": 2}
        assert set(found.broken.values()) == {0}
        assert len(found.broken) >= 15

    def test_a_run_that_is_not_there(self, world: World, clients: Clients) -> None:
        clients.accepted["c"] = "never"
        assert broken(world, clients) == {"accepted, but not there": 1}

    def test_a_run_that_is_there_twice(self, world: World, clients: Clients, database: Database) -> None:
        with database.write() as session:
            session.execute(update(RunRow).where(RunRow.name == "b-again").values(name="a"))
        assert broken(world, clients) == {"there twice": 1}

    def test_a_program_that_ran_twice(self, world: World, clients: Clients) -> None:
        """What we killed and may be started again is counted apart."""
        for name in ("a", "b-again"):
            (world.folder / "ran" / name).write_text("started\nstarted\nended\n")
            world.victims[clients.accepted[name]] = 1
        found = verdict.judge(world, clients)
        assert (found.broken["carried out twice"], found.started_again) == (1, 1)
        world.victims.clear()
        assert broken(world, clients) == {"carried out twice": 2}

    def test_a_program_that_never_ran(self, world: World, clients: Clients) -> None:
        (world.folder / "ran" / "a").write_text("started\n")
        assert broken(world, clients) == {"succeeded, but not carried out": 1}

    def test_a_cancel_that_was_lost(self, world: World, clients: Clients) -> None:
        clients.cancelled.add(clients.accepted["a"])
        assert broken(world, clients) == {"a cancel that was lost": 1}

    @pytest.mark.parametrize(("name", "killed", "count"), [("a", 0, 1), ("a", 1, 0), ("b-again", 1, 1)])
    def test_a_loss_is_right_only_for_a_program_that_we_killed(
        self, world: World, clients: Clients, database: Database, name: str, killed: int, count: int
    ) -> None:
        world.victims[clients.accepted[name]] = killed
        with database.write() as session:
            session.execute(update(RunRow).where(RunRow.name == name).values(status="failed", reason="lost"))
        assert verdict.judge(world, clients).broken["wrong end"] == count

    def test_a_cancel_that_nobody_asked_for(self, world: World, clients: Clients, database: Database) -> None:
        with database.write() as session:
            session.execute(update(RunRow).where(RunRow.name == "a").values(status="cancelled"))
        assert broken(world, clients)["wrong end"] == 1

    def test_a_run_that_never_ends(
        self, world: World, clients: Clients, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(verdict, "STANDSTILL_SECONDS", 0.0)
        with database.write() as session:
            session.execute(update(RunRow).where(RunRow.name == "a").values(status="queued"))
        assert broken(world, clients)["never ended"] == 1

    def test_gaps_and_second_ends(self, world: World, clients: Clients, database: Database) -> None:
        end = {"from": "running", "to": "failed"}
        with database.write() as session:
            session.execute(delete(EventRow).where(EventRow.sequence == 2))
            first = session.get_one(RunRow, 1)
            session.add(EventRow(run_number=1, sequence=9, type="status", at=1.0, attempt=1, data=end))
            session.add(EventRow(run_number=2, sequence=9, type="progress", at=1.0, attempt=1, data={}))
            assert first.name == "a"
        assert broken(world, clients) == {
            "gap or repeat in the events' numbers": 2,
            "not exactly one terminal event": 1,
            "an event after the terminal one": 1,
        }

    def test_an_end_before_the_beginning(self, world: World, clients: Clients, database: Database) -> None:
        with database.write() as session:
            first = session.get_one(RunRow, 1)
            first.finished_at = first.created_at - timedelta(hours=1)
        assert broken(world, clients) == {"ended before it began": 1}

    def test_leases(self, world: World, clients: Clients, database: Database) -> None:
        with database.write() as session:
            run = session.get_one(RunRow, 1)
            session.add(LeaseRow(pool="local", node="n", device="cpu:0", run_number=1, created_at=run.created_at))
        assert broken(world, clients) == {"lease left": 1}

    def test_processes(self, world: World, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verdict, "PARTING_SECONDS", 0.0)
        mark = f"shim:{identify_home(world.home / '.finery')}/some/1"
        with subprocess.Popen(["sleep", "60"], env={**os.environ, MARK_VARIABLE: mark}) as stray:
            assert broken(world, clients) == {"process left": 1}
            stray.kill()

    def test_answers_and_traces(self, world: World, clients: Clients) -> None:
        clients.answers[500], clients.refusals = 2, ["a: 422"]
        world.log.write_text("Traceback (most recent call last):\n")
        assert broken(world, clients) == {"answered with 500": 1, "refused": 1, "trace in the log": 1}
