import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from finery.client import FineryClient
from finery.contracts.accounts import NewUser
from tests.app.threaded import ThreadedServer
from tests.cli.command import PASSWORD, Finery
from tests.servers import RunningServer


@dataclass(frozen=True)
class Guarded:
    """A server with an administrator, ada, and a researcher, rosa; and a key of each."""

    url: str
    ada: str
    rosa: str


@pytest.fixture(autouse=True)
def unchanged_process() -> Iterator[None]:
    """What a command changes in this process is changed back."""
    before = state_of_process()
    yield
    assert state_of_process() == before


def state_of_process() -> dict[str, object]:
    return {
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "directory": Path.cwd(),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "hook": sys.excepthook,
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "warnings": list(warnings.filters),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
    }


@pytest.fixture(scope="package")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real server for all tests of the folder, without accounts; it sends webhooks to this machine."""
    with RunningServer(tmp_path_factory.mktemp("home"), FINERY_WEBHOOK_ALLOW_PRIVATE="127.0.0.1") as server:
        yield server


@pytest.fixture
def api(live: RunningServer) -> Iterator[FineryClient]:
    """What still runs after a test is cancelled, and its webhooks are deleted."""
    with FineryClient(url=live.url) as client:
        yield client
        for webhook in client.webhooks.list():
            client.webhooks.delete(webhook.id)
        left = [run.id for run in client.list_runs(limit=1000).runs if not run.status.is_finished]
        for run_id in left:
            client.cancel_run(run_id)
        for run_id in left:
            client.wait(run_id, timeout=30)


@pytest.fixture
def finery(live: RunningServer, api: FineryClient, tmp_path: Path) -> Finery:
    return Finery(live.url, tmp_path)


@pytest.fixture
def alone(tmp_path: Path) -> Finery:
    """No server answers."""
    return Finery(None, tmp_path)


@pytest.fixture(scope="package")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """For all tests of the folder; runs stay queued."""
    with (
        ThreadedServer(tmp_path_factory.mktemp("guarded")) as server,
        FineryClient(url=server.url, api_key="") as client,
    ):
        accounts = client.accounts
        accounts.set_up(email="ada@example.org", username="ada", password=PASSWORD, display_name="에이다")
        accounts.create_user(NewUser(email="rosa@example.org", username="rosa", password=PASSWORD))
        ada = accounts.create_key("tests").key
        accounts.log_in("rosa", PASSWORD)
        yield Guarded(server.url, ada, accounts.create_key("tests").key)


@pytest.fixture
def nobody(guarded: Guarded, tmp_path: Path) -> Finery:
    return Finery(guarded.url, tmp_path)


@pytest.fixture
def ada(guarded: Guarded, tmp_path: Path) -> Finery:
    return Finery(guarded.url, tmp_path, guarded.ada)


@pytest.fixture
def rosa(guarded: Guarded, tmp_path: Path) -> Finery:
    return Finery(guarded.url, tmp_path, guarded.rosa)
