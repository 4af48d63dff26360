import os
import stat
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import JSON, delete, insert, literal, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as DatabaseTimeout

from finery.db import Database
from finery.db.topics import Topic, announce, run_topic
from finery.kit.clock import utc_now
from finery.models import UserRow

pytestmark = pytest.mark.every_database

ADDRESS = "'ann' for key@example.org"
"""With what a driver's message has around it."""
HASH = "$argon2id$v=19$m=19456"


def user(**fields: Any) -> dict[str, Any]:
    now = utc_now()
    return {
        "id": "1",
        "email": ADDRESS,
        "email_key": ADDRESS,
        "username": "ann",
        "username_key": "ann",
        "password_hash": HASH,
        "levels": ["viewer"],
        "is_admin": False,
        "is_active": True,
        "created_at": now,
        "updated_at": now,
        **fields,
    }


class TestJson:
    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_no_number_that_is_none(self, database: Database, number: float) -> None:
        with database.read() as session, pytest.raises((StatementError, ValueError), match="JSON compliant"):
            session.execute(select(literal({"a": [number]}, JSON)))

    @pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True]}, {"긴": "이름 😀"}])
    def test_text_and_numbers(self, database: Database, value: Any) -> None:
        with database.read() as session:
            assert session.scalar(select(literal(value, JSON))) == value


class TestErrors:
    """What is logged of them holds nothing of a row, whatever the driver says."""

    def test_of_a_row_that_is_there(self, database: Database) -> None:
        with database.write() as session:
            session.execute(insert(UserRow).values(user()))
        with pytest.raises(IntegrityError) as caught, database.write() as session:
            session.execute(insert(UserRow).values(user(id="2", username_key="ann2")))
        self.check(caught.value)
        assert "email_key" in str(caught.value)

    def test_of_a_row_that_lacks_a_value(self, database: Database) -> None:
        with pytest.raises(DBAPIError) as caught, database.write() as session:
            session.execute(insert(UserRow).values(user(username=None)))
        self.check(caught.value)
        assert "username" in str(caught.value)

    def check(self, error: DBAPIError) -> None:
        logged = "".join(traceback.format_exception(error))
        for value in (ADDRESS, "example.org", HASH):
            assert value not in str(error)
            assert value not in logged


class TestFile:
    @pytest.fixture
    def everybody_reads(self) -> Iterator[None]:
        before = os.umask(0o022)
        yield
        os.umask(before)

    @pytest.mark.usefixtures("everybody_reads")
    def test_a_new_one_is_its_owners_alone(self, home: Path) -> None:
        database = Database("sqlite:///new.db", home=home)
        with database.write() as session:
            session.execute(select(1))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
        database.dispose()
        assert modes["new.db"] == modes["new.db-wal"] == 0o600

    def test_another_ones_mode_is_left_alone(self, home: Path) -> None:
        (home / "old.db").touch(mode=0o640)
        database = Database("sqlite:///old.db", home=home)
        with database.write() as session:
            session.execute(select(1))
        database.dispose()
        assert stat.S_IMODE((home / "old.db").stat().st_mode) == 0o640


class TestTopics:
    """A commit tells what it was about."""

    @pytest.fixture
    def heard(self, database: Database) -> list[frozenset[str] | None]:
        heard: list[frozenset[str] | None] = []
        database.on_commit(heard.append)
        return heard

    def test_the_tables_of_rows_and_of_statements(self, database: Database, heard: list[frozenset[str] | None]) -> None:
        with database.write() as session:
            session.add(UserRow(**user()))
        with database.write() as session:
            session.execute(update(UserRow).values(is_active=False))
        with database.write() as session:
            session.execute(delete(UserRow))
        assert heard == [frozenset({"users"})] * 3

    def test_what_was_announced(self, database: Database, heard: list[frozenset[str] | None]) -> None:
        with database.write() as session:
            announce(session, Topic.QUEUE, run_topic(7))
        assert heard == [frozenset({"queue", "run:7"})]

    def test_a_statement_that_does_not_tell_concerns_all(
        self, database: Database, heard: list[frozenset[str] | None]
    ) -> None:
        with database.write() as session:
            session.execute(text("DELETE FROM users"))
        assert heard == [None]

    def test_nothing_of_what_was_rolled_back(self, database: Database, heard: list[frozenset[str] | None]) -> None:
        with pytest.raises(IntegrityError), database.write() as session:
            session.execute(insert(UserRow), [user(), user()])
        assert heard == []


class TestTurns:
    def test_one_transaction_inside_of_another_is_refused(self, database: Database) -> None:
        with database.write() as session:
            session.execute(select(UserRow)).all()
            with pytest.raises(RuntimeError, match="inside of another"), database.write():
                pass

    def test_who_waits_too_long_is_told(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("finery.db.database.TURN_SECONDS", 0.05)
        with ExitStack() as others:
            for sessions in [hold_turn(database, others) for _ in range(database.writers)]:
                assert sessions
            with pytest.raises(DatabaseTimeout, match="other transactions"), database.write() as session:
                session.execute(select(UserRow)).all()
        with database.write() as session:
            session.execute(select(UserRow)).all()

    def test_none_waits_before_its_first_statement(self, database: Database) -> None:
        """What is looked at before, beside the transaction, holds nobody up."""
        with ExitStack() as others, database.write():
            for _ in range(database.writers):
                hold_turn(database, others)

    def test_how_long_the_oldest_has_been_going_on(self, database: Database) -> None:
        assert database.longest_write == 0.0
        with ExitStack() as others:
            hold_turn(database, others)
            assert database.longest_write > 0.0
        assert database.longest_write == 0.0


class TestLimits:
    """A transaction that hangs, here or in another program, holds nobody up for ever."""

    def test_a_row_that_stays_locked(
        self, database: Database, urls: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if database.engine.dialect.name == "sqlite":
            pytest.skip("has no locks on rows")
        monkeypatch.setattr("finery.db.database.LOCK_SECONDS", 1)
        with database.write() as session:
            session.add(UserRow(**user()))
        other = Database(database.url.render_as_string(hide_password=False), home=Path("/nonexistent"))
        with database.write() as session:
            session.execute(update(UserRow).values(is_active=False))
            with in_thread() as pool:
                failed = pool.submit(touch, other)
                assert isinstance(failed.exception(timeout=30), OperationalError)
        other.dispose()


def touch(database: Database) -> None:
    with database.write() as session:
        session.execute(update(UserRow).values(is_active=True))


@contextmanager
def in_thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def hold_turn(database: Database, until: ExitStack) -> bool:
    """Begin a transaction in a thread of its own, which ends with `until`."""
    has_begun, may_end = Event(), Event()

    def hold() -> None:
        with database.write() as session:
            session.execute(select(UserRow)).all()
            has_begun.set()
            may_end.wait(60)

    thread = Thread(target=hold)
    thread.start()
    until.callback(thread.join, 60)
    until.callback(may_end.set)
    return has_begun.wait(30)
