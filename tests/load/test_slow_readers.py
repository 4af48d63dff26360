"""Clients that ask for much and read nothing, or a byte a second: nobody else notices, and they cost little memory."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from finery.contracts.layout import HomeDirectory
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.domain import runs
from tests import builders
from tests.load import programs, raw
from tests.load.client import Beside, Client, reader_beside
from tests.load.kinds import LOAD, on_each_database, on_sqlite
from tests.load.world import World, wait_until

EACH = 50
"""Clients for each of the three kinds of answers."""
JOBS = 1000
EVENTS = 2000
LOG_BYTES = 8 << 20
MOST_BYTES = 3 * EACH << 20
"""That the server may grow by: a MiB for each of them."""
READ_SECONDS = 1.0
"""At the 99th percentile."""
CUT_SECONDS = 100.0
"""Streams are left after 30 seconds, connections after 60; both are looked at from time to time."""

pytestmark = LOAD


class TestSlowReaders:
    @on_each_database("sqlite")
    def test_others_do_not_notice(self, world: World) -> None:
        paths = large_answers(world)
        # What it takes to make so many such answers at once is kept for the next ones.
        asyncio.run(read_all(world, paths * EACH))
        before = world.memory_bytes
        with raw.connections(world.server.port, [raw.request("GET", path) for path in paths * EACH]) as slow:
            assert {raw.read_status(connection) for connection in slow} == {200}
            beside = asyncio.run(self._create_beside(world, slow))
            grown = world.memory_bytes - before
        assert grown <= MOST_BYTES
        beside.assert_answered(READ_SECONDS)

    async def _create_beside(self, world: World, slow: list[socket.socket]) -> Beside:
        async with Client(world.server.url) as client, reading_slowly(slow[::2]):
            async with reader_beside(world.server.url + "/jobs?limit=20") as beside:
                for number in range(100):
                    answer = await client.ask(
                        "POST", "/jobs", {"job_id": f"new-{number}", "model_name": "m", "dataset": "d"}
                    )
                    assert answer.status == 201
                    world.accepted.append(answer.body["job_id"])
        return beside

    @on_sqlite()
    def test_they_are_left(self, world: World) -> None:
        """Here none reads on at all."""
        requests = [raw.request("GET", path) for path in large_answers(world)]
        with raw.connections(world.server.port, requests * EACH) as slow:
            assert {raw.read_status(connection) for connection in slow} == {200}
            wait_until(lambda: raw.open_at(world.process, slow) == 0, "the server has left them", CUT_SECONDS)


async def read_all(world: World, paths: list[str]) -> None:
    async with Client(world.server.url) as client:
        answers = await asyncio.gather(*(client.ask("GET", path) for path in paths))
    assert {answer.status for answer in answers} == {200}


def large_answers(world: World) -> list[str]:
    """Their addresses: a list, a log and an event stream, each more than the system keeps for a client."""
    with world.database.write() as session:
        context = builders.context(world.home)
        made = [
            runs.create(session, builders.external(f"job-{number}"), context, LOCAL_ADMINISTRATOR)
            for number in range(JOBS)
        ]
    log = HomeDirectory(world.home).run_log(made[0].uid)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as file:
        for _ in range(LOG_BYTES >> 20):
            file.write((b"x" * 1023 + b"\n") * 1024)
    go = world.home / "go"
    go.touch()
    run_id = world.create(programs.events(EVENTS, signal=go, size=500))
    assert world.wait_for_end(run_id) == "succeeded"
    return [f"/jobs?limit={JOBS}", "/api/v1/runs/job-0/logs?tail=0", f"/api/v1/runs/{run_id}/events/stream"]


@asynccontextmanager
async def reading_slowly(slow: list[socket.socket]) -> AsyncIterator[None]:
    async def read() -> None:
        while True:
            for connection in slow:
                raw.read_a_byte(connection)
            await asyncio.sleep(1.0)

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
