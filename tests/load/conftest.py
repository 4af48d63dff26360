"""A real server on each kind of database, and the promises checked when it has been through something."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from finery.db import Database
from tests import databases
from tests.load.promises import broken_promises
from tests.servers import RunningServer

TRACE = "Traceback (most recent call last)"


@dataclass
class World:
    server: RunningServer
    database: Database
    accepted: list[str] = field(default_factory=list)
    """Ids of runs whose creation was answered with success."""


@pytest.fixture
def world(request: pytest.FixtureRequest, home: Path, urls: Callable[[str], str]) -> Iterator[World]:
    """Parametrized by the database's kind. At the end every promise must hold, and the log hold no trace."""
    kind: str = request.param
    environment = {"FINERY_CPU_SLOTS": "1"}
    url = "sqlite:///training.db"
    if kind != "sqlite":
        url = environment["TRAINING_DB_URL"] = urls(kind)
        databases.empty_at(url)
    (home / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 100)
    with RunningServer(home, **environment) as server:
        database = Database(url, home=home)
        world = World(server, database)
        yield world
        broken = broken_promises(database, world.accepted)
        database.dispose()
        log = server.log.read_text(errors="replace")
    assert not broken, broken
    assert TRACE not in log, log[log.index(TRACE) :][:4000]
