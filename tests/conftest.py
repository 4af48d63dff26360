"""Fixtures that every folder uses: a home, a database of each kind, the app in this process, a real server."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from finery.app.asgi import build_app
from finery.app.composition import Composition
from finery.app.settings import Settings
from finery.db import Database
from finery.migrations import upgrade
from tests import databases
from tests.idle import IdleScheduler
from tests.servers import RunningServer

UrlMaker = Callable[[Path], str]


def pytest_configure() -> None:
    """Have SIGINT heard by us and by our children: a shell lets what it starts in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What does not differ by database is run on SQLite by `make test`, on PostgreSQL by `make test-thorough`, and on
    MariaDB by `make test-soak`."""
    for item in items:
        if databases.of(item) not in (None, "sqlite") and item.get_closest_marker("every_database") is None:
            item.add_marker(pytest.mark.thorough)
            if databases.of(item) == "mysql":
                item.add_marker(pytest.mark.third_database)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    database = Database("sqlite:///template.db", home=folder)
    upgrade(database)
    database.dispose()
    return folder / "template.db"


@pytest.fixture(scope="session")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Migrated databases on PostgreSQL and MariaDB, made at first use, one of each for this test process."""
    made: dict[str, databases.Scratch] = {}

    def url_of(name: str) -> str:
        if name not in made:
            worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
            made[name] = databases.scratch(name, f"{os.getpid()}_{worker}")
            made[name].drop()
            made[name].create()
            database = Database(made[name].url.render_as_string(hide_password=False), home=Path("/nonexistent"))
            upgrade(database)
            database.dispose()
        return made[name].url.render_as_string(hide_password=False)

    yield url_of
    for found in made.values():
        found.drop()


@pytest.fixture(params=databases.wanted())
def database(
    request: pytest.FixtureRequest, home: Path, sqlite_template: Path, urls: Callable[[str], str]
) -> Iterator[Database]:
    """Empty, with the newest schema; once for each kind of database."""
    if request.param == "sqlite":
        shutil.copy(sqlite_template, home / "training.db")
        database = Database("sqlite:///training.db", home=home)
    else:
        database = Database(urls(request.param), home=home)
        databases.empty(database.engine)
    yield database
    database.dispose()


@pytest.fixture
def settings(home: Path, sqlite_template: Path) -> Settings:
    shutil.copy(sqlite_template, home / "training.db")
    return Settings(home=home, warm_start="off", cpu_slots=2)


@pytest.fixture
def composition(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Composition:
    """Nothing carries runs out: they stay as the API leaves them."""
    monkeypatch.setattr("finery.app.composition.Scheduler", IdleScheduler)
    return Composition(settings)


@pytest.fixture
def app(composition: Composition) -> FastAPI:
    return build_app(composition)


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1:8001", client=("127.0.0.1", 50000)) as client:
        yield client


@pytest.fixture
def server(home: Path) -> Iterator[RunningServer]:
    """`python -m finery.app` in a process of its own."""
    with RunningServer(home) as server:
        yield server
