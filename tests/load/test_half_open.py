"""Clients that begin a request and never end it: others are answered meanwhile, and the server lets go of them."""

import asyncio
import socket

import pytest

from tests.load import raw
from tests.load.client import Answer, Beside, Client, reader_beside
from tests.load.kinds import LOAD, on_sqlite
from tests.load.world import World, wait_until

EACH = 100
"""Clients for each way of leaving a request half-way."""
PATIENCE_SECONDS = 4.0
"""Of the server, for a head and for a body."""
READ_SECONDS = 1.0
"""At the 99th percentile."""
MOST_BYTES = 100 << 20
"""That the server may grow by."""
MULTIPART = {"Content-Length": "100000", "Content-Type": "multipart/form-data; boundary=x"}
HALVES = {
    "nothing": b"",
    "a line": b"GET /jobs HTTP/1.1\r\n",
    "a head": raw.request("GET", "/jobs", Cookie="x" * 1000)[:-2],
    "a body": raw.request("POST", "/train/sft", b'{"model_name": "m', **{"Content-Length": "1000"}),
    "a chunk": raw.request("POST", "/jobs", b'5\r\n{"job', **{"Transfer-Encoding": "chunked"}),
    "a file": raw.request(
        "POST",
        "/upload/dataset",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{"prompt',
        **MULTIPART,
    ),
}

pytestmark = LOAD


@pytest.fixture
def environment() -> dict[str, str]:
    seconds = str(PATIENCE_SECONDS)
    return {"FINERY_HEAD_TIMEOUT_SECONDS": seconds, "FINERY_BODY_TIMEOUT_SECONDS": seconds}


class TestHalfOpen:
    @on_sqlite(short=True)
    def test_others_are_answered_and_they_are_let_go(self, world: World) -> None:
        before = world.memory_bytes
        payloads = [half for half in HALVES.values() for _ in range(EACH)]
        with raw.connections(world.server.port, payloads) as half_open:
            beside = asyncio.run(self._ask_until_gone(world, half_open))
            assert world.memory_bytes - before <= MOST_BYTES
        beside.assert_answered(READ_SECONDS)
        uploads = world.home / "data" / "uploads"
        assert not uploads.exists() or not list(uploads.iterdir())

    async def _ask_until_gone(self, world: World, half_open: list[socket.socket]) -> Beside:
        def wait() -> None:
            wait_until(lambda: raw.open_at(world.process, half_open) == 0, "all were let go", 5 * PATIENCE_SECONDS)

        async with reader_beside(world.server.url + "/jobs?limit=20") as beside:
            await asyncio.to_thread(wait)
        return beside


class TestFullHouse:
    @pytest.fixture
    def environment(self) -> dict[str, str]:
        return {"FINERY_HEAD_TIMEOUT_SECONDS": str(PATIENCE_SECONDS), "FINERY_MAX_CONNECTIONS": "50"}

    @on_sqlite()
    def test_those_who_come_too_late_hear_it_and_soon_there_is_room(self, world: World) -> None:
        with raw.connections(world.server.port, [b""] * 50):
            answer = asyncio.run(ask(world))
            assert answer.status in (200, 503)
            wait_until(lambda: asyncio.run(ask(world)).status == 200, "there is room", 3 * PATIENCE_SECONDS)


async def ask(world: World) -> Answer:
    async with Client(world.server.url) as client:
        return await client.ask("GET", "/jobs?limit=20")
