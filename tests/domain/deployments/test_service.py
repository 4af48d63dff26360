from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from finery.contracts.deployment import Deployment, DeploymentStatus, EngineOptions
from finery.db import Database
from finery.domain import deployments
from tests import builders

THREADS = 8


def create_at_once(database: Database, home: Path, slot: str | None) -> list[Deployment]:
    barrier = Barrier(THREADS)

    def create(_: int) -> Deployment:
        barrier.wait()
        with database.write() as session:
            return deployments.create(
                session, "finery/tiny-llama", slot=slot, options=EngineOptions(), ground=builders.ground(home)
            )

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(create, range(THREADS)))


class TestCreateAtOnce:
    def test_each_has_a_port_of_its_own(self, database: Database, home: Path) -> None:
        made = create_at_once(database, home, None)
        assert len({deployment.port for deployment in made}) == THREADS

    @pytest.mark.parametrize("is_held", [False, True])
    def test_one_holds_the_slot(self, database: Database, home: Path, is_held: bool) -> None:
        if is_held:
            with database.write() as session:
                deployments.create(
                    session, "finery/tiny-llama", slot="main", options=EngineOptions(), ground=builders.ground(home)
                )
        made = create_at_once(database, home, "main")
        with database.read() as session:
            found = deployments.list_all(session)
            holder = deployments.in_slot(session, "main")
        assert holder is not None
        assert holder.id in {deployment.id for deployment in made}
        assert [one.id for one in found if one.status is DeploymentStatus.STARTING] == [holder.id]
