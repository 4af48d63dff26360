"""Every route, asked by every level, by nobody, and for another user's objects."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.api.openai.fine_tuning_mapping import run_of_result_file
from finery.app.asgi import build_app
from finery.app.composition import Composition
from finery.app.settings import Settings
from finery.contracts.permissions import PERMISSIONS_OF_LEVEL, Level, Permission
from finery.db import Database
from tests.builders import RUN, write_rows
from tests.domain.accounts import people
from tests.http.accounts import BASE_URL, at_address, bearer, key_of_new_user, key_of_user
from tests.idle import IdleScheduler
from tests.security.routes import ROWS, Route, permissions_of_routes, routes_of

CHAT = b'{"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}\n' * 12
SWEEP = {**RUN, "config": {**RUN["config"], "seed": [1, 2]}}
JOB = {"job_id": "job-of-the-owner", "model_name": "m", "dataset": "d"}
FILE = {"file": ("rows.jsonl", ROWS)}
UPLOAD = {"filename": "rows.jsonl", "purpose": "fine-tune", "bytes": len(ROWS), "mime_type": "text/jsonl"}


def id_of(answer: Any, name: str = "id") -> str:
    assert answer.is_success, answer.text
    found: str = answer.json()[name]
    return found


def file_of(owner: TestClient) -> str:
    return id_of(owner.post("/v1/files", files={"file": ("chat.jsonl", CHAT)}, data={"purpose": "fine-tune"}))


def fine_tuning_job_of(owner: TestClient) -> str:
    body = {"model": "finery/tiny-llama", "training_file": file_of(owner)}
    return id_of(owner.post("/v1/fine_tuning/jobs", json=body))


def key_of(owner: TestClient) -> str:
    found: str = owner.post("/api/v1/keys", json={"name": "k"}).json()["info"]["id"]
    return found


def webhook_of(owner: TestClient) -> str:
    return id_of(owner.post("/api/v1/webhooks", json={"url": "https://hooks.example.org/"}))


def message_of(owner: TestClient) -> str:
    return id_of(owner.post(f"/api/v1/webhooks/{webhook_of(owner)}/test"))


MAKERS: dict[str, Callable[[TestClient], str]] = {
    "run_id": lambda owner: id_of(owner.post("/api/v1/runs", json=RUN)),
    "sweep_id": lambda owner: id_of(owner.post("/api/v1/sweeps", json=SWEEP)),
    "job_id": lambda owner: id_of(owner.post("/jobs", json=JOB), "job_id"),
    "deployment_id": lambda owner: id_of(owner.post("/api/v1/deployments", json={"model": "finery/tiny-llama"})),
    "dataset_id": lambda owner: id_of(owner.post("/api/v1/datasets", files=FILE)),
    "file_id": file_of,
    "fine_tuning_job_id": fine_tuning_job_of,
    "upload_id": lambda owner: id_of(owner.post("/v1/uploads", json=UPLOAD)),
    "key_id": key_of,
    "webhook_id": webhook_of,
    "webhook_endpoint_id": webhook_of,
    "message_id": message_of,
}
"""For each parameter that names what a user owns."""
SHARED = {"user_id", "name", "artifact_id", "model"}
"""Those that name what only administrators see, what each user has by the same name, and a part of something owned.

Models of others by their names: tests/domain/catalog."""


UNLISTED = {"upload_id", "message_id"}
"""What no route lists without naming more."""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[FastAPI]:
    """One for all tests here, which leave nothing that another would see; nothing carries runs out."""
    home = tmp_path_factory.mktemp("home")
    shutil.copy(sqlite_template, home / "training.db")
    write_rows(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("finery.app.composition.Scheduler", IdleScheduler)
        patch.setattr("finery.http.engine_startup.LOAD_SECONDS", -1.0)
        app = build_app(Composition(Settings(home=home, warm_start="off", cpu_slots=1)))
        with TestClient(app, base_url=BASE_URL, client=("127.0.0.1", 50000)):
            people.first_admin(app.state.services.database)
            yield app


@pytest.fixture(scope="module")
def database(app: FastAPI) -> Database:
    found: Database = app.state.services.database
    return found


@pytest.fixture(scope="module")
def routes(app: FastAPI) -> list[Route]:
    return routes_of(app.openapi())


@pytest.fixture(scope="module")
def permissions(app: FastAPI) -> dict[str, Permission]:
    return permissions_of_routes(app)


@pytest.fixture(scope="module")
def keys(database: Database) -> dict[Level, str]:
    """Of one user of each level."""
    return {level: key_of_new_user(database, f"{level}-one", level) for level in Level}


@pytest.fixture(scope="module")
def owner(app: FastAPI, database: Database) -> TestClient:
    return as_user(app, key_of_new_user(database, "owner", Level.RESEARCHER))


@pytest.fixture(scope="module")
def ids(owner: TestClient, routes: list[Route]) -> dict[str, str]:
    """What one researcher owns, by the parameter that names it."""
    named = {name for route in routes for name in route.parameters}
    return {name: make(owner) for name, make in MAKERS.items() if name in named}


def as_user(app: FastAPI, key: str) -> TestClient:
    return at_address(app, "127.0.0.1", **bearer(key))


def needed(route: Route, permissions: dict[str, Permission]) -> Permission:
    return permissions[str(route).replace("/docs/start.js", "/docs/{name}")]


class TestNobody:
    def test_every_route_but_the_public(
        self, app: FastAPI, routes: list[Route], permissions: dict[str, Permission]
    ) -> None:
        nobody = at_address(app, "127.0.0.1")
        asked = [route for route in routes if needed(route, permissions) is not Permission.PUBLIC]
        answers = {str(route): nobody.request(**route.request()).status_code for route in asked}
        assert len(answers) > 50
        assert {route: status for route, status in answers.items() if status != 401} == {}

    def test_the_document_says_the_same(self, routes: list[Route], permissions: dict[str, Permission]) -> None:
        said = {str(route): route.is_public for route in routes}
        assert said == {str(route): needed(route, permissions) is Permission.PUBLIC for route in routes}


class TestLevels:
    @pytest.mark.parametrize("level", Level)
    def test_every_route(
        self,
        app: FastAPI,
        routes: list[Route],
        permissions: dict[str, Permission],
        keys: dict[Level, str],
        level: Level,
    ) -> None:
        client = as_user(app, keys[level])
        wrong = {}
        for route in routes:
            permission = needed(route, permissions)
            if permission is Permission.PUBLIC:
                continue
            answer = client.request(**route.request())
            may = permission in PERMISSIONS_OF_LEVEL[level]
            if (answer.status_code == 403) is may or answer.status_code == 401 or answer.status_code == 500:
                wrong[str(route)] = (permission, answer.status_code, answer.text[:200])
        assert wrong == {}

    @pytest.mark.parametrize("permission", sorted(set(Permission) - {Permission.PUBLIC}))
    def test_a_key_of_one_scope(
        self,
        app: FastAPI,
        database: Database,
        routes: list[Route],
        permissions: dict[str, Permission],
        permission: Permission,
    ) -> None:
        key = key_of_new_user(database, f"only-{permission.replace(':', '-')}", Level.ADMIN, scopes=[permission])
        client = as_user(app, key)
        wrong = {}
        for route in routes:
            wanted = needed(route, permissions)
            if wanted is Permission.PUBLIC:
                continue
            status = client.request(**route.request()).status_code
            if (status == 403) is (wanted is permission) or status in (401, 500):
                wrong[str(route)] = (wanted, status)
        assert wrong == {}

    @pytest.mark.parametrize(
        "path", ["?purpose=fine-tune-results", "/file-results-ftjob-none", "/file-results-x/content"]
    )
    def test_a_key_for_files_does_not_read_runs(self, app: FastAPI, database: Database, path: str) -> None:
        """Not even those that are told as files."""
        assert run_of_result_file("file-results-none") is not None
        user = people.user(database, f"reader{path.count('/')}{len(path)}", Level.RESEARCHER, password=None)
        for scopes, is_refused in (([Permission.DATASETS_READ], True), (None, False)):
            key = key_of_user(database, user.id, Level.RESEARCHER, scopes=scopes)
            answer = as_user(app, key).get(f"/v1/files{path}")
            assert (answer.status_code == 403, answer.json().get("error", {}).get("code")) == (
                is_refused,
                "permission_missing" if is_refused else None if "?" in path else "file_not_found",
            )


class TestOwned:
    def test_every_parameter_is_known(self, routes: list[Route]) -> None:
        assert {name for route in routes for name in route.parameters} <= MAKERS.keys() | SHARED

    @pytest.mark.parametrize("level", [Level.VIEWER, Level.RESEARCHER])
    def test_another_users_is_not_found(
        self,
        app: FastAPI,
        database: Database,
        routes: list[Route],
        permissions: dict[str, Permission],
        ids: dict[str, str],
        keys: dict[Level, str],
        level: Level,
    ) -> None:
        other = as_user(app, keys[level])
        wrong = {}
        asked = [route for route in routes if MAKERS.keys() & set(route.parameters)]
        for route in asked:
            expected = 404 if needed(route, permissions) in PERMISSIONS_OF_LEVEL[level] else 403
            answer = other.request(**route.request(ids))
            if answer.status_code != expected:
                wrong[str(route)] = (expected, answer.status_code, answer.text[:200])
        assert len(asked) > 30
        assert wrong == {}

    def test_nor_is_it_listed(
        self,
        app: FastAPI,
        owner: TestClient,
        routes: list[Route],
        permissions: dict[str, Permission],
        keys: dict[Level, str],
        ids: dict[str, str],
    ) -> None:
        """Nowhere where its owner finds it."""
        other = as_user(app, keys[Level.RESEARCHER])
        found = set()
        for route in routes:
            is_list = route.method == "GET" and not route.parameters and not route.path.endswith("stream")
            if not is_list or needed(route, permissions) not in PERMISSIONS_OF_LEVEL[Level.RESEARCHER]:
                continue
            owners, others = owner.request(**route.request()), other.request(**route.request())
            # Nothing is loaded for /model_info to tell of.
            expected = 503 if route.path == "/model_info" else 200
            assert (owners.status_code, others.status_code, str(route)) == (expected, expected, str(route))
            found |= {name for name, id in ids.items() if f'"{id}"' in owners.text}
            assert (str(route), [name for name, id in ids.items() if id in others.text]) == (str(route), [])
        assert found == ids.keys() - UNLISTED

    @pytest.mark.parametrize("level", [Level.LEAD, Level.ADMIN])
    def test_who_sees_everyones_sees_it(
        self, app: FastAPI, keys: dict[Level, str], ids: dict[str, str], level: Level
    ) -> None:
        client = as_user(app, keys[level])
        for name in ("runs/{run_id}", "deployments/{deployment_id}", "datasets/{dataset_id}"):
            assert client.get(f"/api/v1/{name.format(**ids)}").status_code == 200
