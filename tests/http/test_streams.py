import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from starlette.testclient import TestClient
from starlette.types import Message

from finery.contracts.events import ProgressData
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Run
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.runs.transitions import append_event
from finery.http import streams as module
from finery.http.async_notifier import AsyncNotifier
from finery.http.streams import HEARTBEAT, EventStreamResponse, RunStreams
from finery.kit.notifier import Notifier
from finery.models import RunRow
from tests import builders
from tests.statements import statements

pytestmark = pytest.mark.every_database


class Stage:
    """A run whose events a test makes, and the streams over it."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database = database
        self.notifier = Notifier()
        self.async_notifier = AsyncNotifier(self.notifier)
        self.streams = RunStreams(database, self.async_notifier)
        with database.write() as session:
            self.id = runs.create(session, builders.external("job"), builders.context(home), LOCAL_ADMINISTRATOR).id

    def run(self) -> Run:
        with self.database.read() as session:
            return runs.get(session, self.id, LOCAL_ADMINISTRATOR)

    def add(self, count: int = 1) -> None:
        with self.database.write() as session:
            row = session.query(RunRow).one()
            for _ in range(count):
                append_event(session, row, ProgressData(step=row.last_sequence))
        self.notifier.notify()

    def finish(self) -> None:
        with self.database.write() as session:
            runs.report(session, self.id, RunStatus.SUCCEEDED, None, LOCAL_ADMINISTRATOR)
        self.notifier.notify()

    async def collect(self, after: int = 0) -> list[int]:
        """The sequence numbers of a whole stream, heartbeats left out."""
        found = []
        async for piece in self.streams.frames(self.run(), after):
            if piece != HEARTBEAT:
                found += [sequence(frame) for frame in piece.split(b"\n\n")[:-1]]
        return found


def sequence(frame: bytes) -> int:
    first, _, data, *_ = frame.split(b"\n")
    number = int(first.removeprefix(b"id: "))
    assert json.loads(data.removeprefix(b"data: "))["sequence"] == number
    return number


def rename(engine: Engine, table: str, to: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {to}"))


def play(stage: Stage, scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    play_on(stage.async_notifier, stage.streams, scene)


def play_on(async_notifier: AsyncNotifier, streams: RunStreams, scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def all_of_it() -> None:
        async_notifier.attach()
        try:
            async with asyncio.timeout(60):
                await scene()
        finally:
            streams.close()
            async_notifier.detach()

    asyncio.run(all_of_it())


@pytest.fixture
def stage(database: Database, home: Path) -> Stage:
    return Stage(database, home)


@pytest.fixture
def sqlite_stage(sqlite_template: Path, home: Path) -> Stage:
    (home / "training.db").write_bytes(sqlite_template.read_bytes())
    return Stage(Database("sqlite:///training.db", home=home), home)


class TestFrames:
    def test_old_and_new_events_then_the_end(self, stage: Stage) -> None:
        async def scene() -> None:
            stage.add(3)
            stream = asyncio.create_task(stage.collect())
            await asyncio.sleep(0.2)
            stage.add(2)
            await asyncio.sleep(0.1)
            stage.finish()
            assert await stream == [1, 2, 3, 4, 5, 6, 7]

        play(stage, scene)

    def test_what_is_there_goes_out_at_once(self, sqlite_stage: Stage) -> None:
        stage = sqlite_stage
        stage.add(400)
        stage.finish()

        async def scene() -> None:
            pieces = [piece async for piece in stage.streams.frames(stage.run(), 0)]
            assert len(pieces) <= 4
            assert max(map(len, pieces)) <= 2 * module.PIECE_BYTES

        play(stage, scene)

    def test_more_events_than_the_window_holds(self, sqlite_stage: Stage) -> None:
        stage = sqlite_stage

        async def scene() -> None:
            stream = asyncio.create_task(stage.collect())
            await asyncio.sleep(0.1)
            for _ in range(5):
                stage.add(700)
            stage.finish()
            assert await stream == list(range(1, 3503))

        play(stage, scene)

    def test_goes_on_after_what_was_seen(self, sqlite_stage: Stage) -> None:
        stage = sqlite_stage

        async def scene() -> None:
            stage.add(5)
            stage.finish()
            assert await stage.collect(after=4) == [5, 6, 7]
            assert await stage.collect(after=6) == [7]

        play(stage, scene)

    def test_connected_in_the_last_instant(self, sqlite_stage: Stage) -> None:
        stage = sqlite_stage

        async def scene() -> None:
            before = stage.run()
            stage.finish()
            found = [sequence(frame) async for frame in stage.streams.frames(before, 1)]
            assert found == [2]

        play(stage, scene)

    def test_a_pause_does_not_end_it(self, sqlite_stage: Stage, home: Path) -> None:
        stage = sqlite_stage
        with stage.database.write() as session:
            stage.id = runs.create(session, builders.sft(home), builders.context(home), LOCAL_ADMINISTRATOR).id

        def change(to: Callable[..., Run]) -> None:
            with stage.database.write() as session:
                to(session, stage.id, LOCAL_ADMINISTRATOR)
            stage.notifier.notify()

        async def scene() -> None:
            stream = asyncio.create_task(stage.collect())
            change(runs.request_pause)
            await asyncio.sleep(0.2)
            assert not stream.done()
            change(runs.request_cancel)
            assert len(await stream) == 3

        play(stage, scene)

    def test_a_change_arrives_quickly(self, sqlite_stage: Stage) -> None:
        stage = sqlite_stage

        async def scene() -> None:
            frames = stage.streams.frames(stage.run(), 1)
            for _ in range(10):
                waiting = asyncio.ensure_future(anext(frames))
                await asyncio.sleep(0.05)
                began = time.perf_counter()
                stage.add()
                await waiting
                # By the pulse, and not when the feed looks by itself.
                assert time.perf_counter() - began < module.LOOK_SECONDS / 2
            await frames.aclose()  # type: ignore[attr-defined]

        play(stage, scene)

    def test_a_thousand_streams_cost_one_query_a_change(self, sqlite_stage: Stage) -> None:
        stage = sqlite_stage

        async def scene() -> None:
            run = stage.run()

            async def follow() -> list[int]:
                return [sequence(frame) async for frame in stage.streams.frames(run, 1)]

            tasks = [asyncio.create_task(follow()) for _ in range(1000)]
            await asyncio.sleep(0.5)
            queries.clear()
            for _ in range(5):
                stage.add()
                await asyncio.sleep(0.1)
            stage.finish()
            results = await asyncio.gather(*tasks)
            assert results == [[2, 3, 4, 5, 6, 7]] * 1000
            assert len([query for query in queries if "FROM events" in query]) <= 8

        with statements(stage.database) as queries:
            play(stage, scene)

    def test_heartbeat(self, sqlite_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)

        async def scene() -> None:
            frames = sqlite_stage.streams.frames(sqlite_stage.run(), 1)
            assert [await anext(frames) for _ in range(2)] == [HEARTBEAT] * 2
            await frames.aclose()  # type: ignore[attr-defined]

        play(sqlite_stage, scene)

    def test_a_deleted_run_ends_its_streams(self, sqlite_stage: Stage, home: Path) -> None:
        stage = sqlite_stage

        async def scene() -> None:
            stream = asyncio.create_task(stage.collect())
            await asyncio.sleep(0.1)
            with stage.database.write() as session:
                runs.delete(session, stage.id, builders.context(home), LOCAL_ADMINISTRATOR)
            stage.notifier.notify()
            assert await stream == [1]

        play(stage, scene)

    def test_goes_on_after_an_outage(self, sqlite_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        stage = sqlite_stage
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.1)

        async def scene() -> None:
            stream = asyncio.create_task(stage.collect())
            await asyncio.sleep(0.2)
            rename(stage.database.engine, "events", "hidden")
            stage.notifier.notify()
            await asyncio.sleep(0.4)
            rename(stage.database.engine, "hidden", "events")
            stage.finish()
            async with asyncio.timeout(10):
                assert await stream == [1, 2]

        play(stage, scene)

    def test_closing_ends_them_all(self, sqlite_stage: Stage) -> None:
        async def scene() -> None:
            stream = asyncio.create_task(sqlite_stage.collect())
            await asyncio.sleep(0.1)
            sqlite_stage.streams.close()
            assert await stream == [1]
            assert await sqlite_stage.collect() == []

        play(sqlite_stage, scene)


class TestEventStreamResponse:
    def test_frozen_reader_is_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "SEND_SECONDS", 0.05)
        ended = False

        async def frames() -> AsyncIterator[bytes]:
            nonlocal ended
            try:
                while True:
                    yield b"x"
            finally:
                ended = True

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                await asyncio.sleep(60)

        async def receive() -> Message:
            await asyncio.sleep(60)
            return {"type": "http.disconnect"}

        asyncio.run(asyncio.wait_for(EventStreamResponse(frames())({"type": "http"}, receive, send), 10))
        assert ended

    def test_client_that_goes_ends_it(self) -> None:
        ended = False

        async def frames() -> AsyncIterator[bytes]:
            nonlocal ended
            try:
                yield b"x"
                await asyncio.sleep(60)
            finally:
                ended = True

        async def send(message: Message) -> None:
            pass

        async def receive() -> Message:
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        asyncio.run(asyncio.wait_for(EventStreamResponse(frames())({"type": "http"}, receive, send), 10))
        assert ended


class TestRoute:
    @pytest.fixture
    def finished(self, client: TestClient) -> str:
        client.post("/jobs", json={"job_id": "a", "model_name": "m", "dataset": "d"})
        client.patch("/jobs/a/status", json={"status": "running"})
        client.patch("/jobs/a/status", json={"status": "failed"})
        return "/api/v1/runs/a/events/stream"

    @pytest.mark.parametrize(
        ("query", "headers", "sequences"),
        [
            ("", {}, [1, 2, 3]),
            ("?after=2", {}, [3]),
            ("", {"Last-Event-ID": "1"}, [2, 3]),
            ("?after=2", {"Last-Event-ID": "0"}, [1, 2, 3]),
        ],
    )
    def test_from_where(
        self, client: TestClient, finished: str, query: str, headers: dict[str, str], sequences: list[int]
    ) -> None:
        answer = client.get(finished + query, headers=headers)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert [sequence(frame) for frame in answer.content.split(b"\n\n") if frame] == sequences

    def test_nothing_is_left(self, client: TestClient, finished: str) -> None:
        assert client.get(finished, headers={"Last-Event-ID": "3"}).status_code == 204
        assert client.get(f"{finished}?after=3").status_code == 204
        assert client.get(f"{finished}?after=99").status_code == 204

    def test_more_seen_than_there_is(self, client: TestClient) -> None:
        client.post("/jobs", json={"job_id": "a", "model_name": "m", "dataset": "d"})
        with ThreadPoolExecutor(1) as pool:
            stream = pool.submit(client.get, "/api/v1/runs/a/events/stream?after=99")
            time.sleep(0.3)
            client.post("/jobs/a/cancel")
            found = stream.result(timeout=10).content
        assert [sequence(frame) for frame in found.split(b"\n\n") if frame] == [2]

    def test_reason_of_the_terminal_event(self, client: TestClient) -> None:
        client.post("/jobs", json={"job_id": "a", "model_name": "m", "dataset": "d"})
        client.post("/jobs/a/cancel")
        last = client.get("/api/v1/runs/a/events/stream").content.split(b"\n\n")[-2]
        assert json.loads(last.split(b"data: ")[1])["data"]["reason"] == Reason.CANCELLED

    @pytest.mark.parametrize("value", ["x", "-1", "1e3", "9" * 30])
    def test_bad_last_event_id(self, client: TestClient, finished: str, value: str) -> None:
        assert client.get(finished, headers={"Last-Event-ID": value}).status_code == 422

    def test_unknown_run(self, client: TestClient) -> None:
        assert client.get("/api/v1/runs/none/events/stream").status_code == 404
