"""Two servers that want the same home or database: one serves, and each run is carried out once."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from finery.app.serve import EXIT_NOT_STARTED
from finery.contracts.status import RunStatus
from finery.domain.server_lease import LEASE_SECONDS
from tests.load import programs
from tests.load.client import Answer, Client
from tests.load.kinds import LOAD, on_each_database, on_server_databases
from tests.load.world import World, wait_until
from tests.servers import RunningServer

RUNS = 20
START_SECONDS = 60.0

pytestmark = LOAD


@pytest.fixture
def environment() -> dict[str, str]:
    return {"FINERY_CPU_SLOTS": "4"}


@pytest.fixture
def marks(home: Path) -> Path:
    folder = home / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def second(world: World) -> Iterator[RunningServer]:
    """Not started; on a home of its own, and on the first one's database."""
    home = world.home.with_name("second")
    home.mkdir()
    url = world.database.url.render_as_string(hide_password=False)
    server = RunningServer(home, **{**world.server.environment, "TRAINING_DB_URL": url})
    yield server
    # The one that serves is still needed, and ended with its world.
    if world.server is not server:
        server.kill()


class TestSecond:
    @on_each_database("sqlite")
    def test_is_refused_and_the_first_is_not_disturbed(self, world: World, second: RunningServer, marks: Path) -> None:
        on_same_home = RunningServer(world.home, **world.server.environment)
        on_same_home.log_name = "second.log"
        launched = [on_same_home.launch(), second.launch()]
        answers = asyncio.run(create(world.server, marks, "first"))
        assert [each.wait(START_SECONDS) for each in launched] == [EXIT_NOT_STARTED] * 2
        for said in (on_same_home.log.read_text(), second.log.read_text()):
            assert said.count("\n") == 1
            assert "process id" in said
        carried_out(world, answers)
        assert {mark.read_text() for mark in marks.iterdir()} == {"x"}
        assert len(list(marks.iterdir())) == RUNS


class TestFrozenFirst:
    @on_server_databases("postgres")
    def test_is_replaced_and_writes_nothing_when_it_wakes(
        self, world: World, second: RunningServer, marks: Path
    ) -> None:
        release = world.home / "release"
        held = [world.create(programs.until(release, mark=marks / f"held-{number}")) for number in range(3)]
        for run_id in held:
            world.wait_for(run_id, RunStatus.RUNNING)
        first, frozen = world.server, world.process
        frozen.send_signal(signal.SIGSTOP)
        take_over(second)
        world.server = second
        answers = asyncio.run(create(second, marks, "second"))
        # Ended in the first one's home, while the second says that it is there, out of its reach.
        release.touch()
        frozen.send_signal(signal.SIGCONT)
        assert first.process is not None
        assert first.process.wait(START_SECONDS) == EXIT_NOT_STARTED
        assert "another server has taken over" in first.log.read_text()
        carried_out(world, answers)
        assert {world.status(run_id) for run_id in held} == {RunStatus.PAUSED}
        assert {mark.read_text() for mark in marks.iterdir()} == {"x"}
        assert len(list(marks.iterdir())) == RUNS + len(held)


def take_over(server: RunningServer) -> None:
    """Start it again and again, as a supervisor does, until the lease of the one before has run out."""

    def is_up() -> bool:
        if server.process is None or server.process.poll() is not None:
            server.process = server.launch()
        return server.is_healthy()

    wait_until(is_up, "the second server serves", START_SECONDS + LEASE_SECONDS)


async def create(server: RunningServer, marks: Path, name: str) -> list[Answer]:
    async with Client(server.url) as client:
        return await asyncio.gather(
            *(client.ask("POST", "/api/v1/runs", programs.once(marks / f"{name}-{number}")) for number in range(RUNS))
        )


def carried_out(world: World, answers: list[Answer]) -> None:
    assert {answer.status for answer in answers} == {201}
    run_ids = [answer.body["id"] for answer in answers]
    world.accepted += run_ids
    for run_id in run_ids:
        assert world.wait_for_end(run_id) == RunStatus.SUCCEEDED
