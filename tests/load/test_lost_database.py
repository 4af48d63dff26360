"""A database that is gone for a while in the middle of a burst: 503 or right answers, and nothing is done twice."""

import asyncio
from pathlib import Path

import httpx

from finery.contracts.layout import HomeDirectory
from finery.contracts.status import RunStatus
from tests.load import programs
from tests.load.client import Answer, Client, reader_beside
from tests.load.kinds import LOAD, on_each_database
from tests.load.losses import lost
from tests.load.world import World, wait_until

CREATIONS = 200
ANSWERED_BEFORE = 20
"""So many have been answered when the database goes."""
BACK_SECONDS = 30.0
"""For the server to notice that it is back."""

pytestmark = LOAD


class TestLostDatabase:
    @on_each_database("sqlite")
    def test_in_a_burst(self, world: World) -> None:
        release = world.home / "release"
        (world.home / "marks").mkdir()
        long_one = world.create(programs.until(release, mark=world.home / "marks" / "long"))
        world.wait_for(long_one, RunStatus.RUNNING)
        answers = asyncio.run(self._send(world, release))
        assert {each.status for tries in answers for each in tries} <= {201, 503}
        assert all("retry-after" in each.headers for tries in answers for each in tries if each.status == 503)
        world.accepted += [tries[-1].body["id"] for tries in answers]
        assert world.wait_for_end(long_one) == RunStatus.SUCCEEDED
        # A few of the others are carried out, the rest is cancelled where it waits.
        wait_until(lambda: len(list((world.home / "marks").iterdir())) > 3, "runs go on", 60.0)
        world.settle()
        assert {mark.read_text() for mark in (world.home / "marks").iterdir()} == {"x"}

    async def _send(self, world: World, release: Path) -> list[list[Answer]]:
        first = asyncio.Semaphore(0)

        async def create(client: Client, number: int) -> list[Answer]:
            body = programs.once(world.home / "marks" / str(number))
            answers = await client.insist("POST", "/api/v1/runs", body, **{"Idempotency-Key": f"key-{number}"})
            first.release()
            return answers

        async with Client(world.server.url) as client, reader_beside(world.server.url + "/healthz") as beside:
            creating = [asyncio.create_task(create(client, number)) for number in range(CREATIONS)]
            for _ in range(ANSWERED_BEFORE):
                await first.acquire()
            await asyncio.to_thread(lose, world, release)
            answers = await asyncio.gather(*creating)
        assert set(beside.statuses) == {200}
        return answers


def lose(world: World, release: Path) -> None:
    """Take the database away, let the long run end meanwhile, and give it back."""
    with lost(world.kind, world.database.url, world.home):
        if world.kind != "sqlite":
            # Reading goes on beside the writer of an SQLite file.
            wait_until(lambda: readiness(world) == 503, "the server says that it is not ready", BACK_SECONDS)
        release.touch()
        exit_file = HomeDirectory(world.home).run(world.accepted[0]).attempt(1).exit
        wait_until(exit_file.exists, "the long run has ended", BACK_SECONDS)
    wait_until(lambda: readiness(world) == 200, "the server says that it is ready", BACK_SECONDS)


def readiness(world: World) -> int:
    return httpx.get(f"{world.server.url}/readyz", timeout=30.0).status_code
