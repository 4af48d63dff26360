"""Three hundred event streams while runs are created and cancelled: each gets each event once, in order, to the end."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.domain import runs
from tests.load import programs
from tests.load.client import Answer, Beside, Client, Followed, reader_beside
from tests.load.kinds import LOAD, on_each_database
from tests.load.world import World

STREAMS = 300
RUNS = 100
EVENTS = 200
CHANGES = 100
"""Creations, and as many cancels."""
READ_SECONDS = 1.0
"""At the 99th percentile."""
LIST = "/jobs?limit=20"

pytestmark = LOAD


class TestOnOneRun:
    @on_each_database("sqlite")
    def test_each_gets_each_event_once(self, world: World) -> None:
        followed, beside = asyncio.run(watch(world, self._run(world), follow_in_pieces))
        assert_whole(world, followed)
        assert_quick(beside)

    @on_each_database()
    def test_cut_and_resumed_there_is_no_gap_and_no_repeat(self, world: World) -> None:
        chance = random.Random(1)

        async def follow(client: Client, run_id: str) -> Followed:
            return await follow_in_pieces(client, run_id, chance)

        followed, beside = asyncio.run(watch(world, self._run(world), follow))
        assert_whole(world, followed)
        assert_quick(beside)

    def _run(self, world: World) -> list[str]:
        return [world.create(programs.events(EVENTS, signal=world.home / "go", pause=0.02))] * STREAMS


class TestOnManyRuns:
    @on_each_database()
    def test_each_gets_each_event_once(self, world: World) -> None:
        followed, beside = asyncio.run(self._watch(world))
        assert_whole(world, followed)
        assert_quick(beside)

    async def _watch(self, world: World) -> tuple[dict[str, list[Followed]], Beside]:
        """Runs that are carried out elsewhere: what is told of them is all that there is."""
        async with Client(world.server.url) as client:
            names = [f"followed-{number}" for number in range(RUNS)]
            for name in names:
                await accept(world, client.ask("POST", "/jobs", {"job_id": name, "model_name": "m", "dataset": "d"}))
        run_ids = list(world.accepted)

        async def report(client: Client) -> None:
            for status in ("running", "succeeded"):
                await asyncio.gather(
                    *(client.ask("PATCH", f"/jobs/{name}/status", {"status": status}) for name in names)
                )

        return await watch_while(world, run_ids * (STREAMS // RUNS), follow_in_pieces, report)


Follow = Callable[[Client, str], Awaitable[Followed]]
Found = tuple[dict[str, list[Followed]], Beside]


async def watch(world: World, run_ids: Sequence[str], follow: Follow) -> Found:
    """What came of streams that were open before the run told anything."""

    async def go(_: Client) -> None:
        (world.home / "go").touch()

    return await watch_while(world, run_ids, follow, go)


async def watch_while(
    world: World, run_ids: Sequence[str], follow: Follow, begin: Callable[[Client], Awaitable[None]]
) -> Found:
    """Follow each of `run_ids` while `begin` and a hundred creations and cancels go on, and a reader beside them."""
    async with Client(world.server.url) as client:
        following = [asyncio.create_task(follow(client, run_id)) for run_id in run_ids]
        async with reader_beside(client.url + LIST) as beside:
            await asyncio.gather(begin(client), change(world, client))
            done = await asyncio.gather(*following)
    found: dict[str, list[Followed]] = {}
    for run_id, followed in zip(run_ids, done, strict=True):
        found.setdefault(run_id, []).append(followed)
    return found, beside


async def change(world: World, client: Client) -> None:
    """Create and cancel, a few at a time, as several users do."""

    async def create_and_cancel(numbers: range) -> None:
        for _ in numbers:
            run_id = await accept(world, client.ask("POST", "/api/v1/runs", programs.SLEEP))
            assert (await client.ask("POST", f"/api/v1/runs/{run_id}/cancel")).status == 200
            world.cancelled.add(run_id)

    await asyncio.gather(*(create_and_cancel(range(CHANGES // 10)) for _ in range(10)))


async def accept(world: World, asking: Awaitable[Answer]) -> str:
    answer = await asking
    assert answer.status == 201, answer
    world.accepted.append(str(answer.body.get("id") or answer.body["job_id"]))
    return world.accepted[-1]


async def follow_in_pieces(client: Client, run_id: str, chance: random.Random | None = None) -> Followed:
    """Until its end: with `chance` it is cut off again and again, and goes on behind the last event seen."""
    whole = Followed()
    while not whole.has_ended:
        after = whole.sequences[-1] if whole.sequences else 0
        piece = await client.follow(run_id, after=after, most=chance and chance.randint(1, EVENTS // 4))
        whole.sequences += piece.sequences
        whole.last = piece.last or whole.last
        whole.has_ended = piece.has_ended or whole.is_terminal
    return whole


def assert_whole(world: World, found: dict[str, list[Followed]]) -> None:
    for run_id, streams in found.items():
        with world.database.read() as session:
            last = runs.get(session, run_id, LOCAL_ADMINISTRATOR).last_sequence
        for followed in streams:
            assert followed.sequences == list(range(1, last + 1))
            assert followed.is_terminal
            assert followed.has_ended


def assert_quick(beside: Beside) -> None:
    beside.assert_answered(READ_SECONDS)
