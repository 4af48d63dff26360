"""A real server on each kind of database, and the promises checked when it has been through something."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import databases
from tests.load.world import World, world_in


@pytest.fixture
def environment() -> dict[str, str]:
    """The server's settings; a scenario that wants others has a fixture of this name."""
    return {"FINERY_CPU_SLOTS": "1"}


@pytest.fixture
def prefix() -> list[str]:
    """What the server is started by, where that is a program which takes something from it."""
    return []


@pytest.fixture
def url(kind: str, urls: Callable[[str], str]) -> str:
    """Of an empty database; `kind` comes from the marks in tests/load/kinds.py."""
    if kind == "sqlite":
        return "sqlite:///training.db"
    databases.empty_at(urls(kind))
    return urls(kind)


@pytest.fixture
def world(home: Path, kind: str, url: str, environment: dict[str, str], prefix: list[str]) -> Iterator[World]:
    (home / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 100)
    with world_in(home, kind, url, environment, prefix) as world:
        yield world
