"""Five hundred requests in one moment: each is answered rightly, soon, and a reader beside them hardly waits."""

import asyncio

from finery.contracts.events import StatusEvent
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.domain import runs
from tests.load.client import Burst, Client, burst
from tests.load.kinds import LOAD, on_each_database
from tests.load.pace import IS_TIMED
from tests.load.programs import SLEEP
from tests.load.world import World

AT_ONCE = 500
ANSWERED_SECONDS = 10.0
READ_SECONDS = 1.0
"""At the 99th percentile."""
MOST_IN_FRONT = AT_ONCE // 4
LIST = "/jobs?limit=20"

pytestmark = LOAD


def assert_quick(found: Burst) -> None:
    found.beside.assert_answered(READ_SECONDS)
    # Whatever the machine does: a read passes the writes that wait.
    assert found.most_in_front <= MOST_IN_FRONT
    if IS_TIMED:
        assert found.seconds <= ANSWERED_SECONDS * found.beside.slowness


class TestCreations:
    """The machine's one slot is taken: all wait in the queue."""

    @on_each_database("sqlite", "postgres", "mysql")
    def test_of_trainings(self, world: World) -> None:
        body = {"model_name": "finery/tiny-llama", "dataset_path": "rows.jsonl"}
        requests = [("POST", "/train/sft", {**body, "output_dir": f"outputs/{number}"}) for number in range(AT_ONCE)]
        found = asyncio.run(self._send(world, requests))
        assert found.statuses == {200: AT_ONCE}
        world.accepted += [answer.body["job_id"] for answer in found.answers]
        assert len(set(world.accepted)) == AT_ONCE
        assert_quick(found)

    @on_each_database("sqlite")
    def test_of_jobs_that_run_elsewhere(self, world: World) -> None:
        requests = [
            ("POST", "/jobs", {"job_id": f"job-{number}", "model_name": "m", "dataset": "d"})
            for number in range(AT_ONCE)
        ]
        found = asyncio.run(self._send(world, requests))
        assert found.statuses == {201: AT_ONCE}
        assert_quick(found)

    async def _send(self, world: World, requests: list[tuple[str, str, object]]) -> Burst:
        async with Client(world.server.url) as client:
            assert (await client.ask("POST", "/api/v1/runs", SLEEP)).status == 201
            return await burst(client, requests, read=LIST)


class TestCancels:
    @on_each_database("sqlite", "postgres", "mysql")
    def test_of_one_run(self, world: World) -> None:
        """One of them cancels it; the others hear that, or that it has ended."""
        found, run_id = asyncio.run(self._cancel(world))
        assert set(found.statuses) <= {200, 409}
        assert found.statuses[200] >= 1
        assert_quick(found)
        with world.database.read() as session:
            events = runs.list_events(session, run_id, LOCAL_ADMINISTRATOR, limit=1000)
        assert [event.data.to for event in events if isinstance(event, StatusEvent)].count("cancelled") == 1

    async def _cancel(self, world: World) -> tuple[Burst, str]:
        async with Client(world.server.url) as client:
            assert (await client.ask("POST", "/api/v1/runs", SLEEP)).status == 201
            run_id = (await client.ask("POST", "/api/v1/runs", SLEEP)).body["id"]
            world.accepted.append(run_id)
            found = await burst(client, [("POST", f"/api/v1/runs/{run_id}/cancel", None)] * AT_ONCE, read=LIST)
        return found, run_id
