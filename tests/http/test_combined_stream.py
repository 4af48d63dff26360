import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from finery.contracts.events import ProgressData
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Level, Principal, permissions_of
from finery.contracts.run import Run, RunChanges
from finery.db import Database
from finery.db.topics import announce, run_topic
from finery.domain import runs
from finery.domain.accounts.errors import SessionEnded
from finery.domain.errors import DomainError
from finery.domain.runs.errors import RunNotFound
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import append_event
from finery.http import combined_stream as module
from finery.http import notice_feed
from finery.http.async_notifier import AsyncNotifier
from finery.http.combined_stream import CombinedStream, Cursor, Followed, Viewer
from finery.http.streams import HEARTBEAT, RunStreams
from finery.kit.notifier import Notifier
from tests import builders
from tests.http.test_streams import play_on
from tests.statements import statements

pytestmark = pytest.mark.every_database

ANN = Principal("ann", "ann", permissions_of([Level.RESEARCHER]))
BOB = Principal("bob", "bob", permissions_of([Level.RESEARCHER]))


@dataclass(frozen=True)
class Frame:
    id: str
    event: str
    data: dict[str, Any]

    @property
    def since(self) -> str:
        return ".".join(self.id.split(".")[:2])


def frames_of(pieces: bytes) -> list[Frame]:
    found = []
    for block in pieces.replace(HEARTBEAT, b"").split(b"\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
        found.append(Frame(fields["id"], fields["event"], json.loads(fields["data"])))
    return found


class Reader:
    """One open stream, read as it goes on."""

    def __init__(self, pieces: AsyncGenerator[bytes]) -> None:
        self._pieces = pieces
        self.frames: list[Frame] = []

    async def until(self, is_there: Callable[[Frame], bool]) -> list[Frame]:
        """The frames since the last call, up to one that is as wanted."""
        new: list[Frame] = []
        while not any(map(is_there, new)):
            new += frames_of(await anext(self._pieces))
        self.frames += new
        return new

    async def close(self) -> None:
        await self._pieces.aclose()


class World:
    """A database with runs, and streams over them."""

    def __init__(self, database: Database, home: Path) -> None:
        self.database, self.home = database, home
        notifier = Notifier()
        database.on_commit(notifier.notify)
        self.async_notifier = AsyncNotifier(notifier)
        self.streams = RunStreams(database, self.async_notifier)

    def add_run(self, run_id: str, owner: Principal = ANN) -> Run:
        with self.database.write() as session:
            return runs.create(session, builders.external(run_id), builders.context(self.home), owner)

    def add_steps(self, run_id: str, count: int = 1, actor: Principal = LOCAL_ADMINISTRATOR) -> None:
        with self.database.write() as session:
            row = lock_row(session, run_id, actor)
            for _ in range(count):
                append_event(session, row, ProgressData(step=row.last_sequence))

    def change(self, run_id: str, **changes: Any) -> None:
        with self.database.write() as session:
            runs.change(session, run_id, RunChanges(**changes), ANN)

    def delete(self, run_id: str) -> None:
        with self.database.write() as session:
            runs.delete(session, run_id, builders.context(self.home), ANN)

    def open(
        self,
        principal: Principal = ANN,
        *followed: tuple[str, int],
        since: str | None = None,
        look_up: Callable[[], Principal] | None = None,
    ) -> Reader:
        async def looked_up() -> Principal:
            return principal if look_up is None else look_up()

        found = [Followed(run_id, self._find(run_id, principal), after) for run_id, after in followed]
        cursor = None if since is None else Cursor.parse(since)
        return Reader(CombinedStream(self.streams, Viewer(principal, looked_up), found, cursor).frames())

    def _find(self, run_id: str, principal: Principal) -> Run | None:
        with self.database.read() as session:
            try:
                return runs.get(session, run_id, principal)
            except RunNotFound:
                return None


@pytest.fixture
def every_world(database: Database, home: Path) -> World:
    return World(database, home)


@pytest.fixture
def world(sqlite_template: Path, home: Path) -> World:
    shutil.copy(sqlite_template, home / "training.db")
    return World(Database("sqlite:///training.db", home=home), home)


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_UP_SECONDS", 0.05)
    monkeypatch.setattr(notice_feed, "PAUSE_SECONDS", 0.02)


def play(world: World, scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    play_on(world.async_notifier, world.streams, scene)


def is_of(event: str, run_id: str) -> Callable[[Frame], bool]:
    return lambda frame: frame.event == event and frame.data.get("id", frame.data.get("run_id")) == run_id


def sequences(frames: Sequence[Frame], run_id: str) -> list[int]:
    return [frame.data["sequence"] for frame in frames if frame.data.get("run_id") == run_id]


class TestFrames:
    def test_changes_of_all_runs_and_events_of_those_followed(self, every_world: World) -> None:
        world = every_world
        world.add_run("a"), world.add_run("b")

        async def scene() -> None:
            reader = world.open(ANN, ("a", 0))
            await reader.until(is_of("status", "a"))
            world.add_steps("a", 2)
            world.add_steps("b", 3)
            while not {"a", "b"} <= {frame.data["id"] for frame in reader.frames if frame.event == "run"}:
                await reader.until(lambda frame: frame.event == "run")
            while len(sequences(reader.frames, "a")) < 3:
                await reader.until(is_of("progress", "a"))
            assert reader.frames[0].event == "ready"
            assert sequences(reader.frames, "a") == [1, 2, 3]
            assert sequences(reader.frames, "b") == []
            last = [frame for frame in reader.frames if frame.event == "run" and frame.data["id"] == "b"][-1]
            assert (last.data["sequence"], last.data["status"], last.data["progress"]["fraction"]) == (4, "queued", 0.0)
            await reader.close()

        play(world, scene)

    def test_goes_on_from_any_id_without_gap_or_repeat(self, world: World) -> None:
        world.add_run("a"), world.add_run("b")

        async def scene() -> None:
            reader = world.open(ANN, ("a", 0), ("b", 0))
            await reader.until(is_of("status", "b"))
            world.add_steps("a", 3), world.add_steps("b", 2)
            while len(sequences(reader.frames, "a")) < 4 or len(sequences(reader.frames, "b")) < 3:
                await reader.until(lambda frame: frame.event == "progress")
            whole = reader.frames
            world.add_steps("a"), world.add_steps("b")
            await reader.close()
            for place, frame in enumerate(whole):
                *_, a, b = frame.id.split(".")
                again = world.open(ANN, ("a", int(a)), ("b", int(b)), since=frame.since)
                told = [*whole[: place + 1]]
                while not (sequences(told, "a")[-1:] == [5] and sequences(told, "b")[-1:] == [4]):
                    told += await again.until(lambda frame: frame.event == "progress")
                assert sequences(told, "a") == [1, 2, 3, 4, 5]
                assert sequences(told, "b") == [1, 2, 3, 4]
                assert "stale" not in {frame.event for frame in told}
                await again.close()

        play(world, scene)

    def test_a_change_between_two_streams_is_told(self, world: World) -> None:
        world.add_run("a")

        async def scene() -> None:
            reader = world.open()
            (ready,) = await reader.until(lambda frame: frame.event == "ready")
            await reader.close()
            world.change("a", name="other")
            await asyncio.sleep(0.2)
            again = world.open(since=ready.since)
            frames = await again.until(is_of("run", "a"))
            assert (frames[0].event, frames[-1].data["name"]) == ("ready", "other")
            await again.close()

        play(world, scene)

    def test_lists_are_to_be_read_again_where_that_is_not_known(self, world: World) -> None:
        async def scene() -> None:
            for since in ("0badf00d.3", None):
                reader = world.open(since=since)
                frames = await reader.until(lambda frame: frame.event == "ready")
                assert [frame.event for frame in frames] == ["ready", *(["stale"] if since else [])]
                await reader.close()

        play(world, scene)

    def test_more_changes_than_are_kept(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        world.add_run("a")
        monkeypatch.setattr(notice_feed, "MOST_AT_ONCE", 0)

        async def scene() -> None:
            reader = world.open()
            await reader.until(lambda frame: frame.event == "ready")
            world.change("a", name="other")
            assert (await reader.until(lambda frame: frame.event == "stale"))[-1].data == {}
            await reader.close()

        play(world, scene)

    def test_heartbeat(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.2)

        async def scene() -> None:
            pieces = world.open()._pieces
            await anext(pieces)
            assert await anext(pieces) == HEARTBEAT
            await pieces.aclose()

        play(world, scene)

    def test_closing_ends_it(self, world: World) -> None:
        world.add_run("a")

        async def scene() -> None:
            pieces = world.open(ANN, ("a", 1))._pieces
            await anext(pieces)
            world.streams.close()
            assert [piece async for piece in pieces] == []

        play(world, scene)


class TestOwnership:
    def test_an_error_that_nobody_foresaw_does_not_end_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.add_run("a")
        monkeypatch.setattr(notice_feed, "RETRY_SECONDS", 0.02)

        async def scene() -> None:
            reader = world.open()
            await reader.until(lambda frame: frame.event == "ready")
            with world.database.write() as session:
                lock_row(session, "a", ANN).progress = {"step": "many"}
                announce(session, run_topic(1))
            await reader.until(lambda frame: frame.event == "stale")
            world.add_run("b")
            await reader.until(is_of("run", "b"))
            await reader.close()

        play(world, scene)
        assert "changes of runs cannot be told" in caplog.text

    def test_nothing_of_another_users_runs(self, world: World) -> None:
        world.add_run("anns"), world.add_run("bobs", BOB)

        async def scene() -> None:
            reader = world.open(BOB, ("anns", 0), ("bobs", 1))
            world.add_steps("anns", 2)
            world.change("anns", name="secret")
            world.delete("anns")
            world.add_steps("bobs")
            while not {"run", "progress"} <= {frame.event for frame in reader.frames}:
                await reader.until(lambda frame: frame.event in ("run", "progress"))
            told = [(frame.event, frame.data.get("id", frame.data.get("run_id"))) for frame in reader.frames]
            # What it named itself is told to be none, as an id that never was.
            assert set(told) == {("ready", None), ("gone", "anns"), ("run", "bobs"), ("progress", "bobs")}
            await reader.close()

        play(world, scene)

    def test_a_run_that_is_shared_no_longer_stops(self, every_world: World) -> None:
        world = every_world
        world.add_run("a")
        world.change("a", shared=True)

        async def scene() -> None:
            reader = world.open(BOB, ("a", 0))
            await reader.until(is_of("status", "a"))
            world.change("a", shared=False)
            world.add_steps("a")
            frames = await reader.until(is_of("gone", "a"))
            world.add_steps("a", 2)
            world.add_run("bobs", BOB)
            frames += await reader.until(is_of("run", "bobs"))
            assert "progress" not in {frame.event for frame in frames}
            assert all(frame.data["sequence"] == 1 for frame in frames if is_of("run", "a")(frame))
            await reader.close()

        play(world, scene)

    def test_its_owner_goes_on_seeing_it(self, world: World) -> None:
        world.add_run("a")
        world.change("a", shared=True)

        async def scene() -> None:
            reader = world.open(ANN, ("a", 1))
            await reader.until(lambda frame: frame.event == "ready")
            world.change("a", shared=False)
            frames = await reader.until(is_of("run", "a"))
            world.add_steps("a")
            frames += await reader.until(is_of("progress", "a"))
            assert "gone" not in {frame.event for frame in frames}
            await reader.close()

        play(world, scene)

    def test_a_deleted_run_is_gone(self, world: World) -> None:
        world.add_run("a")

        async def scene() -> None:
            owner, other = world.open(ANN), world.open(BOB)
            for reader in (owner, other):
                await reader.until(lambda frame: frame.event == "ready")
            world.delete("a")
            await owner.until(is_of("gone", "a"))
            world.add_run("bobs", BOB)
            assert [frame.event for frame in await other.until(is_of("run", "bobs"))] == ["run"]
            await owner.close(), await other.close()

        play(world, scene)

    def test_it_is_told_from_another_run_of_its_id(self, world: World) -> None:
        anns, bobs = world.add_run("a"), world.add_run("a", BOB)
        world.change("a", shared=True)

        async def scene() -> None:
            reader = world.open(BOB, ("a", 1), (anns.uid, 1))
            await reader.until(lambda frame: frame.event == "ready")
            world.delete("a")
            while len(told := [frame.data for frame in reader.frames if frame.event == "gone"]) < 2:
                await reader.until(lambda frame: frame.event == "gone")
            # Of bob's own run "a", which he follows, too, nothing is told.
            assert {(data["id"], data["uid"]) for data in told} == {("a", anns.uid), (anns.uid, anns.uid)}
            assert bobs.uid != anns.uid
            await reader.close()

        play(world, scene)


class TestViewer:
    @pytest.mark.parametrize("error", [SessionEnded()])
    def test_an_ended_session_ends_it(self, world: World, error: DomainError) -> None:
        def ended() -> Principal:
            raise error

        async def scene() -> None:
            pieces = world.open(look_up=ended)._pieces
            assert len([piece async for piece in pieces]) == 1

        play(world, scene)

    def test_a_key_that_may_not_read_runs_any_more(self, world: World) -> None:
        async def scene() -> None:
            pieces = world.open(look_up=lambda: Principal("ann", "ann", frozenset()))._pieces
            assert len([piece async for piece in pieces]) == 1

        play(world, scene)

    def test_a_level_that_was_lost_shows_less(self, world: World) -> None:
        world.add_run("anns")
        lead = Principal("eve", "eve", permissions_of([Level.LEAD]))
        viewer = Principal("eve", "eve", permissions_of([Level.VIEWER]))

        async def scene() -> None:
            reader = world.open(lead, ("anns", 1), look_up=lambda: viewer)
            await reader.until(lambda frame: frame.event == "ready")
            assert [frame.event for frame in await reader.until(is_of("gone", "anns"))] == ["gone"]
            await reader.close()

        play(world, scene)


class TestCost:
    def test_hundreds_of_streams_cost_one_query_a_change(self, world: World) -> None:
        world.add_run("a")

        async def scene() -> None:
            readers = [world.open(ANN, ("a", 1)) for _ in range(300)]
            for reader in readers:
                await reader.until(lambda frame: frame.event == "ready")
            queries.clear()
            world.add_steps("a")
            for reader in readers:
                await reader.until(is_of("progress", "a"))
                if not any(is_of("run", "a")(frame) for frame in reader.frames):
                    await reader.until(is_of("run", "a"))
            assert len([query for query in queries if "FROM events" in query]) <= 3
            assert len([query for query in queries if "runs.number IN" in query]) <= 2
            for reader in readers:
                await reader.close()

        with statements(world.database) as queries:
            play(world, scene)

    def test_feeds_are_left(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(notice_feed, "LINGER_SECONDS", 0.01)
        world.add_run("a")

        async def scene() -> None:
            reader = world.open(ANN, ("a", 1), ("a", 0))
            await reader.until(is_of("status", "a"))
            await reader.close()
            await asyncio.sleep(0.1)
            assert len(asyncio.all_tasks()) == 1

        play(world, scene)


class TestRoute:
    @pytest.mark.parametrize(
        ("query", "headers"),
        [
            ({"run": "a"}, {}),
            ({"run": "a:-1"}, {}),
            ({"run": ["a:0"] * 51}, {}),
            ({"since": "3"}, {}),
            ({}, {"Last-Event-ID": "3"}),
            ({"run": "a:0"}, {"Last-Event-ID": "0badf00d.1"}),
        ],
    )
    def test_what_is_refused(self, client: TestClient, query: dict[str, Any], headers: dict[str, str]) -> None:
        assert client.get("/api/v1/events/stream", params=query, headers=headers).status_code == 422

    @pytest.fixture
    def ended_soon(self, client: TestClient) -> Iterator[TestClient]:
        """The test client reads an answer to its end, which is the server's."""
        streams = client.app.state.services.streams  # type: ignore[attr-defined]
        streams.is_closed = True
        yield client
        streams.is_closed = False

    def test_its_form(self, ended_soon: TestClient) -> None:
        ended_soon.post("/jobs", json={"job_id": "a:b", "model_name": "m", "dataset": "d"})
        answer = ended_soon.get("/api/v1/events/stream", params={"run": ["a:b:0", "none:0"]})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
