import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from finery.app.composition import Composition
from finery.contracts.deployment import Deployment
from finery.contracts.model_table import BaseModelEntry
from finery.contracts.permissions import Principal
from finery.domain.catalog import ModelNotFound
from finery.http import deploying
from finery.http.deploying import StillLoading, serve_and_wait
from finery.http.services import Services
from finery.models import RunRow
from tests import builders
from tests.domain.catalog.test_resolution import train
from tests.domain.deployments.serving import end, ensure, make_model, start
from tests.domain.principals import ANN, BOB, LEAD
from tests.statements import statements

TINY = "finery/tiny-llama"


@pytest.fixture
def services(composition: Composition) -> Iterator[Services]:
    composition.open()
    yield composition.services
    composition.stop()


def running(services: Services, name: str, who: Principal = LEAD) -> Deployment:
    found = ensure(services.database, name, services.ground, who)
    assert start(services.database, found.id, services.ground) is not None
    return found


def served(services: Services, name: str, who: Principal = LEAD) -> str:
    return asyncio.run(serve_and_wait(services, name, who)).deployment.id


class TestServeAndWait:
    @pytest.mark.parametrize("name", [TINY, "./m"])
    def test_asks_the_database_once(self, services: Services, home: Path, name: str) -> None:
        make_model(home, "m")
        found = running(services, name)
        assert served(services, name) == found.id
        with statements(services.database) as asked:
            assert [served(services, name) for _ in range(3)] == [found.id] * 3
        assert asked == []

    def test_not_the_engine_of_what_lay_there_before(
        self, services: Services, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_model(home, "m")
        found = running(services, "./m")
        assert served(services, "./m") == found.id
        builders.write_weights(home / "m" / "model.safetensors", 128)
        monkeypatch.setattr(deploying, "SERVE_SECONDS", 0.2)
        with pytest.raises(StillLoading):
            served(services, "./m")
        other = running(services, "./m")
        assert other.id != found.id
        assert served(services, "./m") == other.id

    @pytest.mark.parametrize("is_alias", [False, True])
    def test_not_the_engine_of_what_a_link_led_to(self, services: Services, home: Path, is_alias: bool) -> None:
        for name in ("v1", "v2"):
            make_model(home, name)
        link = home / "latest"
        link.symlink_to("v1")
        if is_alias:
            entry = BaseModelEntry(model="./latest")
            services = replace(services, ground=replace(services.ground, models={"chat": entry}))
        name = "chat" if is_alias else "./latest"
        found = running(services, name)
        assert served(services, name) == found.id
        link.unlink()
        if not is_alias:
            with pytest.raises(ModelNotFound):
                served(services, name)
        link.symlink_to("v2")
        other = running(services, "./v2")
        assert served(services, name) == other.id

    def test_names_of_any_length_are_not_kept(self, services: Services, home: Path) -> None:
        run_id = train(services.database, home, ANN)
        name = f"ft:{'x' * 600}:finery::{run_id}"
        found = running(services, name, ANN)
        with statements(services.database) as asked:
            assert [served(services, name, ANN) for _ in range(2)] == [found.id] * 2
        assert len([one for one in asked if "deployments" in one]) == 2

    def test_not_the_engine_that_has_ended(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        found = running(services, TINY)
        assert served(services, TINY) == found.id
        end(services.database, found.id)
        monkeypatch.setattr(deploying, "SERVE_SECONDS", 0.2)
        with pytest.raises(StillLoading):
            served(services, TINY)

    def test_not_one_that_is_being_unloaded(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        found = running(services, TINY)
        assert served(services, TINY) == found.id
        assert services.ground.in_use.retire(found.id, 0.0)
        monkeypatch.setattr(deploying, "SERVE_SECONDS", 0.2)
        with pytest.raises(StillLoading):
            served(services, TINY)

    def test_not_to_those_who_may_not_see_it(self, services: Services, home: Path) -> None:
        run_id = train(services.database, home, ANN)
        name = f"ft:{TINY}:finery::{run_id}"
        found = running(services, name, ANN)
        assert served(services, name, ANN) == found.id
        with pytest.raises(ModelNotFound):
            served(services, name, BOB)
        with services.database.write() as session:
            session.execute(update(RunRow).values(shared=True))
        assert served(services, name, BOB) == found.id
        with services.database.write() as session:
            session.execute(update(RunRow).values(shared=False))
        with pytest.raises(ModelNotFound):
            served(services, name, BOB)
