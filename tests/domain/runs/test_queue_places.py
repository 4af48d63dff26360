from pathlib import Path

import pytest

from finery.contracts.deployment import NewDeployment
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.contracts.queue import Queue
from finery.contracts.run import QueuePlace, Resources, WaitReason
from finery.db import Database
from finery.domain import deployments, runs
from finery.domain.runs import claims
from finery.domain.runs.errors import NotQueued, RunNotFound
from finery.kit.clock import utc_now
from finery.models import EngineLeaseRow
from tests import builders
from tests.domain.principals import ANN, BOB
from tests.statements import statements

pytestmark = pytest.mark.every_database


def submit(database: Database, home: Path, run_id: str, *, gpus: int = 0, priority: int = 0) -> None:
    new = builders.command(id=run_id, priority=priority, resources=Resources(gpus=gpus))
    with database.write() as session:
        runs.create(session, new, builders.context(home, gpus=8), LOCAL_ADMINISTRATOR)


def place(
    database: Database, run_id: str, *, gpus: int = 0, cpu_slots: int = 1, actor: Principal = LOCAL_ADMINISTRATOR
) -> QueuePlace:
    machine = builders.machine(gpus=gpus, cpu_slots=cpu_slots)
    with database.read() as session:
        return runs.place_in_queue(session, run_id, machine, actor)


class TestPlaceInQueue:
    def test_by_priority_then_by_age(self, database: Database, home: Path) -> None:
        for run_id, priority in (("a", 0), ("b", 0), ("c", 5)):
            submit(database, home, run_id, priority=priority)
        places = {run_id: place(database, run_id) for run_id in "abc"}
        assert {run_id: each.position for run_id, each in places.items()} == {"c": 1, "a": 2, "b": 3}
        assert {each.length for each in places.values()} == {3}
        assert [places[run_id].reason for run_id in "cab"] == [
            WaitReason.STARTS_NEXT,
            WaitReason.RUNS_BEFORE,
            WaitReason.RUNS_BEFORE,
        ]

    def test_what_it_waits_for(self, database: Database, home: Path) -> None:
        submit(database, home, "first", gpus=1)
        with database.write() as session:
            assert claims.claim_next(session, builders.machine(gpus=2, cpu_slots=1), executor="local", max_passed=1)
        submit(database, home, "wide", gpus=2)
        busy, small = place(database, "wide", gpus=2), place(database, "wide", gpus=1)
        assert (busy.reason, busy.message) == (WaitReason.DEVICES_BUSY, "it needs 2 GPUs, and 1 of 2 are free")
        assert (small.reason, small.message) == (
            WaitReason.MACHINE_TOO_SMALL,
            "it needs 2 GPUs, and this machine has 1",
        )

    def test_a_run_that_does_not_wait_here(self, database: Database, home: Path) -> None:
        submit(database, home, "a")
        with database.write() as session:
            runs.create(session, builders.external("b"), builders.context(home), LOCAL_ADMINISTRATOR)
            claims.claim_next(session, builders.machine(cpu_slots=1), executor="local", max_passed=1)
        for run_id in ("a", "b"):
            with pytest.raises(NotQueued):
                place(database, run_id)

    def test_a_hidden_run(self, database: Database, home: Path) -> None:
        submit(database, home, "a")
        with pytest.raises(RunNotFound):
            place(database, "a", actor=BOB)

    def test_a_long_queue_is_counted_in_one_query(self, database: Database, home: Path) -> None:
        submit(database, home, "a")
        for number in range(3):
            submit(database, home, f"b{number}")
        # Asked once before, since a connection's first statements are its own.
        place(database, "a")
        with statements(database) as asked:
            assert place(database, "b2").position == 4
        assert len([each for each in asked if "count(" in each]) == 1
        assert len(asked) <= 6


class TestQueuePage:
    def page(self, database: Database, actor: Principal, *, gpus: int = 0, after: int = 0, limit: int = 100) -> Queue:
        with database.read() as session:
            machine = builders.machine(gpus=gpus, cpu_slots=1)
            return runs.queue_page(session, machine, actor, after=after, limit=limit)

    def test_in_order_with_reasons_and_devices(self, database: Database, home: Path) -> None:
        submit(database, home, "first", gpus=1)
        with database.write() as session:
            assert claims.claim_next(session, builders.machine(gpus=2, cpu_slots=1), executor="local", max_passed=1)
        for run_id, gpus, priority in (("wide", 2, 0), ("narrow", 1, 0), ("urgent", 1, 5)):
            submit(database, home, run_id, gpus=gpus, priority=priority)
        page = self.page(database, LOCAL_ADMINISTRATOR, gpus=2)
        assert [(each.position, each.run.id, each.reason) for each in page.entries] == [
            (1, "urgent", WaitReason.STARTS_NEXT),
            (2, "wide", WaitReason.DEVICES_BUSY),
            (3, "narrow", WaitReason.RUNS_BEFORE),
        ]
        assert page.entries[1].message == "it needs 2 GPUs, and 1 of 2 are free"
        held = {each.device: [holder.id for holder in each.holders] for each in page.devices}
        assert held == {"gpu:0": ["first"], "gpu:1": [], "cpu:0": []}

    def test_in_pages(self, database: Database, home: Path) -> None:
        for run_id in "abc":
            submit(database, home, run_id)
        first = self.page(database, LOCAL_ADMINISTRATOR, limit=2)
        assert ([each.run.id for each in first.entries], first.length, first.next_after) == (["a", "b"], 3, 2)
        second = self.page(database, LOCAL_ADMINISTRATOR, after=2, limit=2)
        assert ([each.run.id for each in second.entries], second.next_after) == (["c"], None)

    def test_others_runs_are_counted_and_not_shown(self, database: Database, home: Path) -> None:
        submit(database, home, "running")
        with database.write() as session:
            assert claims.claim_next(session, builders.machine(cpu_slots=1), executor="local", max_passed=1)
        submit(database, home, "hidden")
        with database.write() as session:
            runs.create(session, builders.command(id="bobs"), builders.context(home, gpus=8), BOB)
        page = self.page(database, BOB)
        assert [(each.position, each.run.id) for each in page.entries] == [(2, "bobs")]
        assert page.length == 2
        assert [(holder.kind, holder.id) for holder in page.devices[0].holders] == [("run", None)]

    def test_an_engines_memory(self, database: Database, home: Path) -> None:
        with database.write() as session:
            made = deployments.create(
                session, NewDeployment(model_name="finery/tiny-llama"), builders.context(home), BOB
            )
            session.add(EngineLeaseRow(deployment_id=made.id, device="ram", bytes=1, created_at=utc_now()))
        seen = {actor.name: self.page(database, actor).devices[-1] for actor in (BOB, ANN)}
        assert [(use.device, use.holders[0].id) for use in seen.values()] == [("ram", made.id), ("ram", None)]
        assert seen["bob"].holders[0].name == "finery/tiny-llama"
