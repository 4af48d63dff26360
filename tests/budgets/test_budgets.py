"""Bounds on what things cost, in figures that a slow host does not change: what slips is seen by who lets it slip.

A bound that is reached is raised with its reason in the commit's message, or better, what costs is left out.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.app.composition import Composition
from tests import builders
from tests.servers import RunningServer
from tests.statements import statements

MODULES = 1160
CALLS_PER_ROUTE = 2700
"""Calls of Python functions while the dialects are imported, which makes their models and routes."""
START_MEBIBYTES = 98
"""Of the app before its start."""
IDLE_MEBIBYTES = 110
"""Of a server that has answered its first request."""
ABSENT = (
    *("torch", "transformers", "trl", "peft", "datasets", "numpy", "pandas", "pyarrow"),
    *("alembic", "psycopg", "pymysql", "sqlalchemy.dialects.postgresql", "yaml"),
)
"""What no server on SQLite needs before it is asked for it."""
JOB = {"model_name": "m", "dataset": "d"}
READ_BYTES = 64 * 1024
"""Of files, while a run is accepted whose data have been looked at before."""

Ask = Callable[[TestClient, str], Any]
"""Of a run by its name."""


@pytest.fixture(scope="module")
def start() -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.budgets.starting"]
    root = Path(__file__).resolve().parents[2]
    answer = subprocess.run(argv, capture_output=True, check=True, cwd=root, timeout=120)
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


class TestStart:
    def test_modules(self, start: dict[str, Any]) -> None:
        assert len(start["modules"]) <= MODULES
        assert [name for name in ABSENT if name in start["modules"]] == []

    def test_construction_of_the_routes(self, start: dict[str, Any]) -> None:
        assert start["routes"] > 100
        assert start["calls"] / start["routes"] <= CALLS_PER_ROUTE

    def test_memory(self, start: dict[str, Any]) -> None:
        assert start["resident_bytes"] <= START_MEBIBYTES * 2**20

    def test_memory_of_an_idle_server(self, home: Path) -> None:
        with RunningServer(home) as server:
            assert server.process is not None
            status = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
        kibibytes = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        assert kibibytes <= IDLE_MEBIBYTES * 2**10


class TestStatements:
    """Of SQL, for one request of somebody whose account is remembered."""

    @pytest.mark.parametrize(
        ("ask", "most"),
        [
            (lambda client, name: client.get(f"/api/v1/runs/{name}"), 2),
            (lambda client, _: client.get("/api/v1/runs?limit=100"), 2),
            (lambda client, _: client.get("/jobs?limit=100"), 2),
            (lambda client, name: client.get(f"/api/v1/runs/{name}/events"), 3),
            (lambda client, name: client.post("/jobs", json={**JOB, "job_id": f"{name}-2"}), 10),
            (lambda client, _: client.post("/api/v1/runs", json=builders.RUN), 10),
            (lambda client, name: client.post(f"/api/v1/runs/{name}/cancel"), 8),
        ],
        ids=["run", "runs", "jobs", "events", "job", "submission", "cancel"],
    )
    def test_of_a_request(self, client: TestClient, composition: Composition, home: Path, ask: Ask, most: int) -> None:
        builders.write_rows(home)
        for number in range(20):
            assert client.post("/jobs", json={**JOB, "job_id": f"run-{number}"}).status_code == 201
        # What is remembered of it, and looked up once, is known then.
        assert ask(client, "run-1").is_success
        with statements(composition.services.database) as asked:
            answer = ask(client, "run-2")
        assert answer.is_success
        assert 1 <= len(asked) <= most, "\n".join(asked)


class TestFiles:
    def test_read_by_a_submission_whose_data_are_known(self, client: TestClient, home: Path) -> None:
        rows = home / "rows.jsonl"
        rows.write_text('{"prompt": "a", "completion": "b"}\n' * 100_000)
        assert client.post("/api/v1/runs", json=builders.RUN).status_code == 201
        with bytes_read() as read:
            assert client.post("/api/v1/runs", json=builders.RUN).status_code == 201
        assert rows.stat().st_size > 10 * READ_BYTES
        assert read() <= READ_BYTES


@contextmanager
def bytes_read() -> Iterator[Callable[[], int]]:
    """By this process, from whatever files and pipes, since the block began."""

    def total() -> int:
        lines = Path("/proc/self/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("rchar:"))

    before = total()
    yield lambda: total() - before
