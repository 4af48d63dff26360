from collections.abc import Iterator

import pytest

from finery.client import FineryClient
from tests.servers import RunningServer


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
