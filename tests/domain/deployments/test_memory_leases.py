from pathlib import Path

import pytest
from sqlalchemy import select

from finery.contracts.deployment import NewDeployment
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Resources
from finery.db import Database
from finery.domain import deployments, runs
from finery.domain.context import DomainContext
from finery.domain.deployments.errors import NotEnoughMemory
from finery.domain.deployments.memory_leases import settle_leases, vacate_gpus
from finery.domain.runs import claims
from finery.models import DeploymentRow, EngineLeaseRow
from tests import builders
from tests.clock import Clock
from tests.domain.deployments.serving import (
    GIB,
    end,
    ensure,
    get,
    live,
    make_context,
    make_model,
    start,
)


def leases(database: Database) -> dict[str, str]:
    with database.read() as session:
        return {row.deployment_id: row.device for row in session.scalars(select(EngineLeaseRow))}


def submit(database: Database, home: Path, gpus: int) -> str:
    with database.write() as session:
        new = builders.command(resources=Resources(gpus=gpus))
        return runs.create(session, new, builders.context(home, gpus=8), LOCAL_ADMINISTRATOR).id


def claim_run(database: Database, context: DomainContext) -> list[int] | None:
    with database.write() as session:
        found = claims.claim_next(session, context.machine(), executor="local", max_passed=20)
        return None if found is None else found.gpus


class TestGpus:
    def test_engines_share_one_while_they_fit(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=2)
        # 90 % of 16 GiB hold two of 6 GiB, and not three.
        ids = [ensure(database, make_model(home, name, 6 * GIB, context), context).id for name in "abc"]
        assert [start(database, one, context) for one in ids] == ["gpu:0", "gpu:0", "gpu:1"]
        assert leases(database) == dict(zip(ids, ("gpu:0", "gpu:0", "gpu:1"), strict=True))

    def test_trainings_and_engines_keep_off_each_others(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=2)
        submit(database, home, 1)
        assert claim_run(database, context) == [0]
        engine = ensure(database, make_model(home, "a", 6 * GIB, context), context)
        assert start(database, engine.id, context) == "gpu:1"
        submit(database, home, 1)
        assert claim_run(database, context) is None
        end(database, engine.id)
        assert claim_run(database, context) == [1]

    def test_all_held_by_trainings(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=1)
        submit(database, home, 1)
        claim_run(database, context)
        with pytest.raises(NotEnoughMemory, match="1 training and 0 engines hold the 1 GPU, of which one offers"):
            ensure(database, "finery/tiny-llama", context)

    def test_larger_than_any(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=2)
        with pytest.raises(NotEnoughMemory, match=r"at most 14\.4 GiB"):
            ensure(database, make_model(home, "a", 15 * GIB, context), context)

    def test_a_lease_is_gone_with_its_engine(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=1)
        engine = ensure(database, "finery/tiny-llama", context)
        start(database, engine.id, context)
        assert leases(database) == {engine.id: "gpu:0"}
        end(database, engine.id)
        assert leases(database) == {}

    def test_an_idle_one_makes_room_for_another(self, database: Database, home: Path) -> None:
        clock = Clock()
        context = make_context(home, gpus=1, clock=clock)
        old, newer = (ensure(database, make_model(home, name, 7 * GIB, context), context).id for name in "ab")
        start(database, old, context)
        clock.now += 10
        start(database, newer, context)
        clock.now += 25
        model = make_model(home, "c", 7 * GIB, context)
        third = ensure(database, model, context)
        with database.read() as session:
            placement = deployments.memory_leases.find_placement(session, 7 * GIB, context)
        # The one that has idled for 30 seconds; the newer has not.
        assert placement is not None
        assert (placement.evicted, placement.is_free) == ((old,), False)
        assert start(database, third.id, context) is None
        with database.write() as session:
            assert deployments.unload(session, old, 30.0, context)
        assert start(database, third.id, context) is None
        end(database, old)
        assert start(database, third.id, context) == "gpu:0"

    def test_one_in_use_does_not(self, database: Database, home: Path) -> None:
        clock = Clock()
        context = make_context(home, gpus=1, clock=clock)
        busy = ensure(database, make_model(home, "a", 8 * GIB, context), context)
        start(database, busy.id, context)
        context.live.in_use.begin(busy.id)
        clock.now += 1000
        with pytest.raises(NotEnoughMemory):
            ensure(database, make_model(home, "b", 8 * GIB, context), context)

    def test_one_deployed_by_hand_does_not(self, database: Database, home: Path) -> None:
        clock = Clock()
        context = make_context(home, gpus=1, clock=clock)
        with database.write() as session:
            new = NewDeployment(model_name=make_model(home, "a", 8 * GIB, context))
            by_hand = deployments.create(session, new, context, LOCAL_ADMINISTRATOR)
        start(database, by_hand.id, context)
        clock.now += 1000
        with pytest.raises(NotEnoughMemory):
            ensure(database, make_model(home, "b", 8 * GIB, context), context)

    def test_one_that_waits_too_long_fails(
        self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Clock()
        context = make_context(home, gpus=1, clock=clock)
        first = ensure(database, make_model(home, "a", 8 * GIB, context), context)
        start(database, first.id, context)
        clock.now += 60
        waiting = ensure(database, make_model(home, "b", 8 * GIB, context), context)
        monkeypatch.setattr("finery.domain.deployments.lifecycle.MEMORY_WAIT_SECONDS", -1.0)
        assert start(database, waiting.id, context) is None
        found = get(database, waiting.id)
        assert (found.status, found.port) == ("failed", None)
        assert "needs about 8.0 GiB" in str(found.error)


class TestVacateGpus:
    def test_as_many_as_lack_the_longest_idle_first(self, database: Database, home: Path) -> None:
        clock = Clock()
        context = make_context(home, gpus=3, clock=clock)
        engines = []
        for name in "abc":
            engines.append(ensure(database, make_model(home, name, 10 * GIB, context), context).id)
            start(database, engines[-1], context)
            clock.now += 10
        clock.now += 30
        with database.read() as session:
            assert vacate_gpus(session, 1, context) == (engines[0],)
            assert set(vacate_gpus(session, 3, context)) == set(engines)
        context.live.in_use.begin(engines[1])
        with database.read() as session:
            assert vacate_gpus(session, 2, context) == (engines[0], engines[2])
            # Three cannot be had, so that none has to go.
            assert vacate_gpus(session, 3, context) == ()
        with database.write() as session:
            deployments.unload(session, engines[0], 30.0, context)
        with database.read() as session:
            assert vacate_gpus(session, 1, context) == ()
            assert vacate_gpus(session, 2, context) == (engines[2],)

    def test_a_waiting_run_says_how_many_it_lacks(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=2)
        start(database, ensure(database, "finery/tiny-llama", context).id, context)
        with database.read() as session:
            assert claims.lacking_gpus(session, context.machine()) == 0
        submit(database, home, 2)
        with database.read() as session:
            assert claims.lacking_gpus(session, context.machine()) == 1


class TestMainMemory:
    def test_engines_that_start_count_before_they_take_it(self, database: Database, home: Path) -> None:
        context = make_context(home, ram_bytes=8 * GIB)
        first, second = (ensure(database, make_model(home, name, 5 * GIB, context), context).id for name in "ab")
        with database.write() as session:
            assert deployments.claim(session, first, context) is not None
            assert deployments.claim(session, second, context) is None
        assert leases(database) == {first: "ram"}


class TestSettleLeases:
    def test_leases_and_live_engines_agree_afterwards(self, database: Database, home: Path) -> None:
        context = make_context(home, gpus=1)
        kept, ended, bare, waiting = (
            ensure(database, make_model(home, name, GIB, context), context).id for name in "abcd"
        )
        for one in (kept, ended, bare):
            start(database, one, context)
        with database.write() as session:
            session.get_one(DeploymentRow, ended).finished_at = live(database, ended).since
            session.delete(session.get_one(EngineLeaseRow, bare))
        with database.write() as session:
            settle_leases(session, context)
        assert leases(database) == {kept: "gpu:0", bare: "gpu:0"}
        assert start(database, waiting, context) == "gpu:0"
