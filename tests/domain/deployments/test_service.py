from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from finery.contracts.deployment import Deployment, DeploymentChanges, DeploymentStatus, NewDeployment
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.db import Database
from finery.domain import deployments
from finery.domain.deployments.errors import DeploymentNotFound
from finery.domain.ownership import NotYours
from tests import builders
from tests.domain.principals import ANN, BOB, LEAD, NO_ACCOUNT

THREADS = 8
MODEL = "finery/tiny-llama"


def create_at_once(database: Database, home: Path, slot: str | None) -> list[Deployment]:
    barrier = Barrier(THREADS)

    def create(_: int) -> Deployment:
        barrier.wait()
        with database.write() as session:
            return deployments.create(
                session, NewDeployment(model_name=MODEL, slot=slot), builders.context(home), LOCAL_ADMINISTRATOR
            )

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(create, range(THREADS)))


class TestCreateAtOnce:
    @pytest.mark.every_database
    def test_each_has_a_port_of_its_own(self, database: Database, home: Path) -> None:
        made = create_at_once(database, home, None)
        assert len({deployment.port for deployment in made}) == THREADS

    @pytest.mark.every_database
    @pytest.mark.parametrize("is_held", [False, True])
    def test_one_holds_the_slot(self, database: Database, home: Path, is_held: bool) -> None:
        if is_held:
            with database.write() as session:
                deployments.create(
                    session, NewDeployment(model_name=MODEL, slot="main"), builders.context(home), LOCAL_ADMINISTRATOR
                )
        made = create_at_once(database, home, "main")
        with database.read() as session:
            found = deployments.list_all(session, LOCAL_ADMINISTRATOR)
            holder = deployments.in_slot(session, "main", LOCAL_ADMINISTRATOR)
        assert holder is not None
        assert holder.id in {deployment.id for deployment in made}
        assert [one.id for one in found if one.status is DeploymentStatus.STARTING] == [holder.id]


def create(database: Database, home: Path, actor: Principal, slot: str | None = None, *, shared: bool = False) -> str:
    with database.write() as session:
        new = NewDeployment(model_name=MODEL, slot=slot, shared=shared)
        return deployments.create(session, new, builders.context(home), actor).id


def seen_by(database: Database, actor: Principal) -> dict[str, Deployment]:
    with database.read() as session:
        return {found.id: found for found in deployments.list_all(session, actor)}


def holder_of(database: Database, slot: str, actor: Principal) -> str | None:
    with database.read() as session:
        found = deployments.in_slot(session, slot, actor)
    return found.id if found else None


class TestOwners:
    def test_each_sees_theirs_and_what_is_shared(self, database: Database, home: Path) -> None:
        anns, bobs = create(database, home, ANN), create(database, home, BOB)
        shared = create(database, home, ANN, shared=True)
        nobodys = create(database, home, LOCAL_ADMINISTRATOR)
        assert seen_by(database, ANN).keys() == {anns, shared}
        assert seen_by(database, BOB).keys() == {bobs, shared}
        assert seen_by(database, NO_ACCOUNT).keys() == {shared}
        assert seen_by(database, LEAD).keys() == {anns, bobs, shared, nobodys}
        assert (seen_by(database, ANN)[anns].owner_id, seen_by(database, LEAD)[nobodys].owner_id) == (ANN.user_id, None)

    def test_anothers_private_one_is_not_found(self, database: Database, home: Path) -> None:
        anns = create(database, home, ANN)
        with database.write() as session:
            for act in (deployments.get, deployments.request_stop):
                with pytest.raises(DeploymentNotFound):
                    act(session, anns, BOB)
            with pytest.raises(DeploymentNotFound):
                deployments.change(session, anns, DeploymentChanges(shared=True), BOB)
            assert deployments.get(session, anns, ANN).status is DeploymentStatus.STARTING
            assert deployments.request_stop(session, anns, LEAD).status is DeploymentStatus.STOPPING

    def test_a_shared_one_is_changed_by_its_owner_only(self, database: Database, home: Path) -> None:
        anns = create(database, home, ANN)
        with database.write() as session:
            assert deployments.change(session, anns, DeploymentChanges(shared=True), ANN).shared
            assert deployments.get(session, anns, BOB).id == anns
            with pytest.raises(NotYours):
                deployments.request_stop(session, anns, BOB)
            with pytest.raises(NotYours):
                deployments.change(session, anns, DeploymentChanges(shared=False), BOB)
            assert deployments.request_stop(session, anns, ANN).status is DeploymentStatus.STOPPING


class TestSlots:
    def test_each_owner_has_slots_of_their_own(self, database: Database, home: Path) -> None:
        actor = (ANN, BOB, LEAD, LOCAL_ADMINISTRATOR)
        held = [create(database, home, one, "main", shared=True) for one in actor]
        assert [holder_of(database, "main", one) for one in actor] == held
        found = seen_by(database, LEAD)
        assert {(found[one].slot, found[one].status) for one in held} == {("main", DeploymentStatus.STARTING)}

    def test_it_changes_hands_within_an_owner(self, database: Database, home: Path) -> None:
        first, second = create(database, home, ANN, "s" * 64), create(database, home, ANN, "s" * 64)
        found = seen_by(database, ANN)
        assert (found[first].status, found[first].slot) == (DeploymentStatus.STOPPING, None)
        assert (holder_of(database, "s" * 64, ANN), found[second].slot) == (second, "s" * 64)
        assert holder_of(database, "main", ANN) is None

    def test_one_that_has_ended_holds_none(self, database: Database, home: Path) -> None:
        anns = create(database, home, ANN, "main")
        with database.write() as session:
            claim = deployments.claim(session, anns, builders.context(home))
            assert claim is not None
            token = claim.token
            deployments.mark_running(session, anns, token, "cpu")
            assert deployments.get(session, anns, ANN).slot == "main"
            deployments.finish(session, anns, token, "gone")
            assert deployments.get(session, anns, ANN).slot is None
        assert holder_of(database, "main", ANN) is None
