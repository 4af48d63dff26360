from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.client import FineryClient
from tests.cli.command import Finery
from tests.servers import RunningServer


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A real server for all tests of a module."""
    with RunningServer(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def api(live: RunningServer) -> Iterator[FineryClient]:
    """What still runs after a test is cancelled."""
    with FineryClient(url=live.url) as client:
        yield client
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
