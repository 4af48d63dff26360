from pathlib import Path

import pytest
from sqlalchemy import select

from finery.contracts.deployment import NewDeployment
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Resources
from finery.db import Database
from finery.domain import deployments, runs
from finery.domain.deployments.errors import NotEnoughMemory
from finery.domain.deployments.rooms import settle_rooms, vacate_gpus
from finery.domain.ground import Ground
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
    make_ground,
    make_model,
    start,
)


def leases(database: Database) -> dict[str, str]:
    with database.read() as session:
        return {row.deployment_id: row.device for row in session.scalars(select(EngineLeaseRow))}


def submit(database: Database, home: Path, gpus: int) -> str:
    with database.write() as session:
        new = builders.command(resources=Resources(gpus=gpus))
        return runs.create(session, new, builders.ground(home, gpus=8), LOCAL_ADMINISTRATOR).id


def claim_run(database: Database, ground: Ground) -> list[int] | None:
    with database.write() as session:
        found = claims.claim_next(session, ground.machine(), executor="local", max_passed=20)
        return None if found is None else found.gpus


class TestGpus:
    def test_engines_share_one_while_they_fit(self, database: Database, home: Path) -> None:
        ground = make_ground(home, gpus=2)
        # 90 % of 16 GiB hold two of 6 GiB, and not three.
        ids = [ensure(database, make_model(home, name, 6 * GIB, ground), ground).id for name in "abc"]
        assert [start(database, one, ground) for one in ids] == ["gpu:0", "gpu:0", "gpu:1"]
        assert leases(database) == dict(zip(ids, ("gpu:0", "gpu:0", "gpu:1"), strict=True))

    def test_trainings_and_engines_keep_off_each_others(self, database: Database, home: Path) -> None:
        ground = make_ground(home, gpus=2)
        submit(database, home, 1)
        assert claim_run(database, ground) == [0]
        engine = ensure(database, make_model(home, "a", 6 * GIB, ground), ground)
        assert start(database, engine.id, ground) == "gpu:1"
        submit(database, home, 1)
        assert claim_run(database, ground) is None
        end(database, engine.id)
        assert claim_run(database, ground) == [1]

    def test_all_held_by_trainings(self, database: Database, home: Path) -> None:
        ground = make_ground(home, gpus=1)
        submit(database, home, 1)
        claim_run(database, ground)
        with pytest.raises(NotEnoughMemory, match="1 training and 0 engines hold the 1 GPU, of which one offers"):
            ensure(database, "finery/tiny-llama", ground)

    def test_larger_than_any(self, database: Database, home: Path) -> None:
        ground = make_ground(home, gpus=2)
        with pytest.raises(NotEnoughMemory, match=r"at most 14\.4 GiB"):
            ensure(database, make_model(home, "a", 15 * GIB, ground), ground)

    def test_a_lease_is_gone_with_its_engine(self, database: Database, home: Path) -> None:
        ground = make_ground(home, gpus=1)
        engine = ensure(database, "finery/tiny-llama", ground)
        start(database, engine.id, ground)
        assert leases(database) == {engine.id: "gpu:0"}
        end(database, engine.id)
        assert leases(database) == {}

    def test_an_idle_one_makes_room_for_another(self, database: Database, home: Path) -> None:
        clock = Clock()
        ground = make_ground(home, gpus=1, clock=clock)
        old, newer = (ensure(database, make_model(home, name, 7 * GIB, ground), ground).id for name in "ab")
        start(database, old, ground)
        clock.now += 10
        start(database, newer, ground)
        clock.now += 25
        model = make_model(home, "c", 7 * GIB, ground)
        third = ensure(database, model, ground)
        with database.read() as session:
            room = deployments.rooms.find_room(session, 7 * GIB, ground)
        # The one that has idled for 30 seconds; the newer has not.
        assert room is not None
        assert (room.evicted, room.is_free) == ((old,), False)
        assert start(database, third.id, ground) is None
        with database.write() as session:
            assert deployments.unload(session, old, 30.0, ground)
        assert start(database, third.id, ground) is None
        end(database, old)
        assert start(database, third.id, ground) == "gpu:0"

    def test_one_in_use_does_not(self, database: Database, home: Path) -> None:
        clock = Clock()
        ground = make_ground(home, gpus=1, clock=clock)
        busy = ensure(database, make_model(home, "a", 8 * GIB, ground), ground)
        start(database, busy.id, ground)
        ground.in_use.begin(busy.id)
        clock.now += 1000
        with pytest.raises(NotEnoughMemory):
            ensure(database, make_model(home, "b", 8 * GIB, ground), ground)

    def test_one_deployed_by_hand_does_not(self, database: Database, home: Path) -> None:
        clock = Clock()
        ground = make_ground(home, gpus=1, clock=clock)
        with database.write() as session:
            new = NewDeployment(model_name=make_model(home, "a", 8 * GIB, ground))
            by_hand = deployments.create(session, new, ground, LOCAL_ADMINISTRATOR)
        start(database, by_hand.id, ground)
        clock.now += 1000
        with pytest.raises(NotEnoughMemory):
            ensure(database, make_model(home, "b", 8 * GIB, ground), ground)

    def test_one_that_waits_too_long_fails(
        self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = Clock()
        ground = make_ground(home, gpus=1, clock=clock)
        first = ensure(database, make_model(home, "a", 8 * GIB, ground), ground)
        start(database, first.id, ground)
        clock.now += 60
        waiting = ensure(database, make_model(home, "b", 8 * GIB, ground), ground)
        monkeypatch.setattr("finery.domain.deployments.lifecycle.ROOM_SECONDS", -1.0)
        assert start(database, waiting.id, ground) is None
        found = get(database, waiting.id)
        assert (found.status, found.port) == ("failed", None)
        assert "needs about 8.0 GiB" in str(found.error)


class TestVacateGpus:
    def test_as_many_as_lack_the_longest_idle_first(self, database: Database, home: Path) -> None:
        clock = Clock()
        ground = make_ground(home, gpus=3, clock=clock)
        engines = []
        for name in "abc":
            engines.append(ensure(database, make_model(home, name, 10 * GIB, ground), ground).id)
            start(database, engines[-1], ground)
            clock.now += 10
        clock.now += 30
        with database.read() as session:
            assert vacate_gpus(session, 1, ground) == (engines[0],)
            assert set(vacate_gpus(session, 3, ground)) == set(engines)
        ground.in_use.begin(engines[1])
        with database.read() as session:
            assert vacate_gpus(session, 2, ground) == (engines[0], engines[2])
            # Three cannot be had, so that none has to go.
            assert vacate_gpus(session, 3, ground) == ()
        with database.write() as session:
            deployments.unload(session, engines[0], 30.0, ground)
        with database.read() as session:
            assert vacate_gpus(session, 1, ground) == ()
            assert vacate_gpus(session, 2, ground) == (engines[2],)

    def test_a_waiting_run_says_how_many_it_lacks(self, database: Database, home: Path) -> None:
        ground = make_ground(home, gpus=2)
        start(database, ensure(database, "finery/tiny-llama", ground).id, ground)
        with database.read() as session:
            assert claims.lacking_gpus(session, ground.machine()) == 0
        submit(database, home, 2)
        with database.read() as session:
            assert claims.lacking_gpus(session, ground.machine()) == 1


class TestMainMemory:
    def test_engines_that_start_count_before_they_take_it(self, database: Database, home: Path) -> None:
        ground = make_ground(home, ram_bytes=8 * GIB)
        first, second = (ensure(database, make_model(home, name, 5 * GIB, ground), ground).id for name in "ab")
        with database.write() as session:
            assert deployments.claim(session, first, ground) is not None
            assert deployments.claim(session, second, ground) is None
        assert leases(database) == {first: "ram"}


class TestSettleRooms:
    def test_leases_and_live_engines_agree_afterwards(self, database: Database, home: Path) -> None:
        ground = make_ground(home, gpus=1)
        kept, ended, bare, waiting = (
            ensure(database, make_model(home, name, GIB, ground), ground).id for name in "abcd"
        )
        for one in (kept, ended, bare):
            start(database, one, ground)
        with database.write() as session:
            session.get_one(DeploymentRow, ended).finished_at = live(database, ended).since
            session.delete(session.get_one(EngineLeaseRow, bare))
        with database.write() as session:
            settle_rooms(session, ground)
        assert leases(database) == {kept: "gpu:0", bare: "gpu:0"}
        assert start(database, waiting, ground) == "gpu:0"
