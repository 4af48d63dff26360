import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import update
from starlette.testclient import TestClient

from finery.app.composition import Composition
from finery.contracts.deployment import Deployment
from finery.contracts.model_table import BaseModelEntry
from finery.contracts.permissions import Principal
from finery.domain import deployments
from finery.domain.catalog import ModelNotFound
from finery.http import engine_startup
from finery.http.engine_startup import StillLoading, serve_and_wait
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


def running(services: Services, name: str, actor: Principal = LEAD) -> Deployment:
    found = ensure(services.database, name, services.context, actor)
    assert start(services.database, found.id, services.context) is not None
    return found


def served(services: Services, name: str, actor: Principal = LEAD) -> str:
    return asyncio.run(serve_and_wait(services, name, actor, lambda _: None)).deployment.id


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
        monkeypatch.setattr(engine_startup, "SERVE_SECONDS", 0.2)
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
            services = replace(services, context=replace(services.context, models={"chat": entry}))
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
        monkeypatch.setattr(engine_startup, "SERVE_SECONDS", 0.2)
        with pytest.raises(StillLoading):
            served(services, TINY)

    def test_not_one_that_is_being_unloaded(self, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
        found = running(services, TINY)
        assert served(services, TINY) == found.id
        assert services.context.live.in_use.retire(found.id, 0.0)
        monkeypatch.setattr(engine_startup, "SERVE_SECONDS", 0.2)
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


def post(app: FastAPI, path: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    with TestClient(app, base_url="http://127.0.0.1:8001", client=("127.0.0.1", 50000)) as client:
        answer = client.post(path, json=body)
    return answer.status_code, answer.json()["error"]


ASKED: dict[str, object] = {"messages": [{"role": "user", "content": "hi"}]}
BAD = [
    ("chat/completions", {"messages": []}, "messages"),
    ("chat/completions", {"messages": "x"}, "messages"),
    ("chat/completions", {**ASKED, "max_tokens": 0}, "max_tokens"),
    ("chat/completions", {**ASKED, "tool_choice": "required"}, "tool_choice"),
    ("chat/completions", {**ASKED, "top_logprobs": 2}, "top_logprobs"),
    ("chat/completions", {**ASKED, "temprature": 1}, "temprature"),
    ("completions", {"prompt": 7}, "prompt"),
    ("completions", {}, "prompt"),
]


class TestBadBody:
    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing starts engines here."""
        monkeypatch.setattr(engine_startup, "SERVE_SECONDS", 0.2)

    @pytest.mark.parametrize(("path", "body", "param"), BAD)
    def test_starts_no_engine(
        self, app: FastAPI, composition: Composition, path: str, body: dict[str, object], param: str
    ) -> None:
        status, error = post(app, f"/v1/{path}", {"model": TINY, **body})
        assert (status, error["param"]) == (400, param)
        with composition.services.database.read() as session:
            assert deployments.list_all(session, LEAD) == []

    def test_does_not_wait_for_one_that_starts(self, app: FastAPI, composition: Composition) -> None:
        path, body, param = BAD[0]
        with TestClient(app, base_url="http://127.0.0.1:8001", client=("127.0.0.1", 50000)) as client:
            ensure(composition.services.database, TINY, composition.services.context)
            for _ in range(2):
                answer = client.post(f"/v1/{path}", json={"model": TINY, **body})
                assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)

    def test_a_good_one_does_both(self, app: FastAPI, composition: Composition) -> None:
        status, error = post(app, "/v1/chat/completions", {"model": TINY, **ASKED})
        assert (status, error["code"]) == (503, "still_loading")
        with composition.services.database.read() as session:
            assert len(deployments.list_all(session, LEAD)) == 1

    def test_the_engine_that_is_to_be_started_says_what_it_takes(self, app: FastAPI, composition: Composition) -> None:
        """`logit_bias` is vLLM's."""
        status, error = post(app, "/v1/chat/completions", {"model": TINY, **ASKED, "logit_bias": {"1": 2}})
        assert (status, error["param"], error["code"]) == (400, "logit_bias", "unsupported_parameter")
