"""Sixty-four descriptors and two hundred clients: some wait or are turned away, no run suffers, and it passes."""

import asyncio

import pytest

from finery.contracts.status import RunStatus
from tests.load import programs, raw
from tests.load.client import Answer, Client
from tests.load.kinds import LOAD, on_each_database
from tests.load.pace import slowness
from tests.load.world import World, wait_until

DESCRIPTORS = 64
CLIENTS = 200
ANSWERED_SECONDS = 20.0
"""A client that finds no place hears so by then."""

pytestmark = LOAD


@pytest.fixture
def prefix() -> list[str]:
    return ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}"]


class TestFewDescriptors:
    @on_each_database("sqlite")
    def test_clients_hear_it_and_runs_wait(self, world: World) -> None:
        world.most_log_lines = 60
        release, mark = world.home / "release", world.home / "mark"
        first = world.create(programs.until(release, mark=world.home / "first"))
        world.wait_for(first, RunStatus.RUNNING)
        second = world.create(programs.once(mark))
        with raw.connections(world.server.port, [b""] * CLIENTS):
            answers = asyncio.run(self._ask(world))
            assert {answer.status for answer in answers} <= {0, 200, 503}
            assert max(answer.seconds for answer in answers) <= ANSWERED_SECONDS * slowness()
            # Its turn comes while there is hardly a descriptor for its start.
            release.touch()
            answers = asyncio.run(self._ask(world))
            assert max(answer.seconds for answer in answers) <= ANSWERED_SECONDS * slowness()
            assert world.status(second) != RunStatus.FAILED
        wait_until(world.server.is_healthy, "the server answers again", 10.0)
        assert world.wait_for_end(second) == RunStatus.SUCCEEDED
        assert mark.read_text() == "x"

    async def _ask(self, world: World) -> list[Answer]:
        async with Client(world.server.url) as client:
            return await asyncio.gather(*(client.ask("GET", "/jobs?limit=20") for _ in range(CLIENTS)))
