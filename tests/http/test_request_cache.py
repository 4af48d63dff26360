import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from finery.db import Database
from finery.db.topics import announce
from finery.http.request_cache import MOST, SECONDS, TableCache
from tests.clock import Clock


@pytest.fixture
def database(home: Path) -> Database:
    return Database("sqlite:///finery.db", home=home)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remembered(database: Database, clock: Clock) -> TableCache[str, int]:
    return TableCache(database, clock)


def commit(database: Database) -> None:
    with database.write():
        pass


class Counter:
    """How often it was asked."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        self._meanwhile = meanwhile

    def __call__(self) -> int:
        self.count += 1
        found = self.count
        self._meanwhile()
        return found


def get_or_read(remembered: TableCache[str, int], key: str, read: Callable[[], int]) -> int:
    return asyncio.run(remembered.get_or_read(key, read))


class TestTables:
    """What was read of some tables is kept while others change."""

    def write(self, database: Database, table: str) -> None:
        with database.write() as session:
            announce(session, table)

    def test_forgotten_with_its_own(self, database: Database, clock: Clock) -> None:
        remembered: TableCache[str, int] = TableCache(database, clock, tables=frozenset({"users", "api_keys"}))
        read = Counter()
        get_or_read(remembered, "a", read)
        self.write(database, "events")
        assert remembered.find("a") == 1
        self.write(database, "api_keys")
        assert remembered.find("a") is None

    def test_forgotten_with_what_nobody_knows(self, database: Database, clock: Clock) -> None:
        remembered: TableCache[str, int] = TableCache(database, clock, tables=frozenset({"users"}))
        get_or_read(remembered, "a", Counter())
        with database.write() as session:
            session.execute(text("CREATE TABLE unheard_of (id INTEGER)"))
        assert remembered.find("a") is None


class TestRecall:
    def test_is_read_once(self, remembered: TableCache[str, int]) -> None:
        read = Counter()
        assert [get_or_read(remembered, "a", read) for _ in range(3)] == [1, 1, 1]
        assert get_or_read(remembered, "b", read) == 2
        assert (remembered.find("a"), remembered.find("b"), remembered.find("c")) == (1, 2, None)

    def test_what_is_false_is_known_too(self, remembered: TableCache[str, int]) -> None:
        read = Counter()
        assert [get_or_read(remembered, "a", lambda: read() * 0) for _ in range(2)] == [0, 0]
        assert read.count == 1

    def test_is_read_again_after_any_commit(self, remembered: TableCache[str, int], database: Database) -> None:
        read = Counter()
        assert (get_or_read(remembered, "a", read), get_or_read(remembered, "b", read)) == (1, 2)
        commit(database)
        assert (remembered.find("a"), remembered.find("b")) == (None, None)
        assert get_or_read(remembered, "a", read) == 3
        assert remembered.find("b") is None

    def test_a_commit_that_failed_may_have_been_one(self, remembered: TableCache[str, int], database: Database) -> None:
        get_or_read(remembered, "a", Counter())
        with pytest.raises(KeyError), database.write():
            raise KeyError
        assert remembered.find("a") is None

    def test_what_a_commit_came_between_is_not_kept(self, remembered: TableCache[str, int], database: Database) -> None:
        read = Counter(lambda: commit(database))
        assert [get_or_read(remembered, "a", read) for _ in range(2)] == [1, 2]

    def test_what_was_read_before_does_not_displace_what_was_read_since(
        self, remembered: TableCache[str, int], database: Database
    ) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def slowly() -> int:
            begun.set()
            assert go_on.wait(10)
            return -1

        async def both() -> None:
            slow = asyncio.create_task(remembered.get_or_read("slow", slowly))
            await asyncio.to_thread(begun.wait, 10)
            commit(database)
            await remembered.get_or_read("a", Counter())
            go_on.set()
            assert await slow == -1

        asyncio.run(both())
        assert (remembered.find("a"), remembered.find("slow")) == (1, None)

    def test_is_read_again_after_a_while(self, remembered: TableCache[str, int], clock: Clock) -> None:
        read = Counter()
        get_or_read(remembered, "a", read)
        clock.now += SECONDS - 0.1
        assert get_or_read(remembered, "a", read) == 1
        clock.now += 0.2
        assert get_or_read(remembered, "a", read) == 2

    def test_what_it_raises_is_not_kept(self, remembered: TableCache[str, int]) -> None:
        def refuse() -> int:
            raise KeyError("gone")

        with pytest.raises(KeyError, match="gone"):
            get_or_read(remembered, "a", refuse)
        assert get_or_read(remembered, "a", Counter()) == 1

    def test_no_more_than_so_many(self, remembered: TableCache[str, int]) -> None:
        async def fill() -> None:
            for number in range(MOST + 1):
                await remembered.get_or_read(str(number), Counter())

        asyncio.run(fill())
        assert sum(remembered.find(str(number)) is not None for number in range(MOST + 1)) == 1

    def test_one_is_forgotten(self, remembered: TableCache[str, int]) -> None:
        read = Counter()
        assert [get_or_read(remembered, key, read) for key in "ab"] == [1, 2]
        remembered.forget("a")
        remembered.forget("unknown")
        assert (remembered.find("a"), remembered.find("b")) == (None, 2)
