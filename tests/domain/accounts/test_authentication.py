from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from finery.contracts.accounts import NewSession
from finery.contracts.permissions import PERMISSIONS_OF_LEVEL, Level
from finery.db import Database
from finery.domain import accounts
from finery.domain.accounts.errors import SessionEnded
from finery.kit.clock import utc_now
from finery.models import ApiKeyRow, SessionRow
from tests.domain.accounts import people
from tests.statements import statements


def use(database: Database, opened: NewSession) -> bool:
    """Come with the session, and note the use as a request would; whether it was noted."""
    with database.read() as session:
        found = accounts.authenticate_session(session, opened.token)
    if found.is_stale:
        with database.write() as session:
            accounts.record_use(session, found)
    return found.is_stale


def last_seen(database: Database) -> datetime:
    with database.read() as session:
        return session.scalars(select(SessionRow.last_seen_at)).one()


class TestAuthenticateSession:
    @pytest.mark.parametrize("level", list(Level))
    def test_has_the_permissions_of_its_level(self, database: Database, level: Level) -> None:
        people.first_admin(database)
        ann = people.user(database, "ann", level)
        opened = people.log_in(database, "ann")
        with database.read() as session:
            principal = accounts.authenticate_session(session, opened.token).principal
        assert (principal.user_id, principal.name, principal.is_local) == (ann.id, "ann", False)
        assert principal.permissions == PERMISSIONS_OF_LEVEL[level]

    def test_refuses_what_it_does_not_know(self, database: Database) -> None:
        people.first_admin(database)
        people.log_in(database, "root")
        for token in ("", "unknown", "a\0b", "\ud800", "x" * 100_000):
            with database.read() as session, pytest.raises(SessionEnded):
                accounts.authenticate_session(session, token)

    def test_asks_once(self, database: Database) -> None:
        people.first_admin(database)
        opened = people.log_in(database, "root")
        with database.read() as session:
            principal = accounts.authenticate_session(session, opened.token).principal
        with database.write() as session:
            key = accounts.create_key(session, principal, name="k").key
        for ask in (
            lambda session: accounts.authenticate_session(session, opened.token),
            lambda session: accounts.authenticate_key(session, key),
            accounts.has_accounts,
        ):
            with database.read() as session, statements(database) as seen:
                ask(session)
            assert len([statement for statement in seen if statement.lstrip().startswith("SELECT")]) == 1


class TestRecordUse:
    @pytest.mark.parametrize(
        ("remember", "idle", "total"),
        [(False, timedelta(hours=12), timedelta(days=7)), (True, timedelta(days=30), timedelta(days=90))],
    )
    def test_use_puts_the_end_off_but_not_for_ever(
        self, database: Database, monkeypatch: pytest.MonkeyPatch, remember: bool, idle: timedelta, total: timedelta
    ) -> None:
        people.first_admin(database)
        start = utc_now()
        opened = people.log_in(database, "root", remember=remember)
        moment = start
        while moment + idle * 0.9 < start + total:
            moment += idle * 0.9
            with people.at(monkeypatch, moment):
                use(database, opened)
        with people.at(monkeypatch, start + total + timedelta(minutes=1)), pytest.raises(SessionEnded):
            use(database, opened)

    def test_unused_it_ends(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        people.first_admin(database)
        opened = people.log_in(database, "root")
        with people.at(monkeypatch, opened.expires_at - timedelta(seconds=1)), database.read() as session:
            accounts.authenticate_session(session, opened.token)
        with people.at(monkeypatch, opened.expires_at), pytest.raises(SessionEnded):
            use(database, opened)

    def test_writes_once_a_minute(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        people.first_admin(database)
        opened = people.log_in(database, "root")
        start = last_seen(database)
        noted = []
        for seconds in (1, 59, 61, 90, 120, 122):
            with people.at(monkeypatch, start + timedelta(seconds=seconds)):
                noted.append(use(database, opened))
        assert noted == [False, False, True, False, False, True]
        assert last_seen(database) == start + timedelta(seconds=122)

    def test_of_two_that_saw_it_stale_one_writes(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        people.first_admin(database)
        opened = people.log_in(database, "root")
        start = last_seen(database)
        with people.at(monkeypatch, start + timedelta(seconds=100)), database.read() as session:
            found = accounts.authenticate_session(session, opened.token)
        for seconds in (100, 101):
            with people.at(monkeypatch, start + timedelta(seconds=seconds)), database.write() as session:
                accounts.record_use(session, found)
        assert last_seen(database) == start + timedelta(seconds=100)

    def test_of_a_key(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        people.first_admin(database)
        opened = people.log_in(database, "root")
        with database.write() as session:
            principal = accounts.authenticate_session(session, opened.token).principal
            key = accounts.create_key(session, principal, name="k").key
        start, noted = utc_now(), []
        for seconds in (0, 30, 61):
            moment = start + timedelta(seconds=seconds)
            with people.at(monkeypatch, moment), database.write() as session:
                found = accounts.authenticate_key(session, key)
                noted.append(found.is_stale)
                accounts.record_use(session, found)
                assert session.scalars(select(ApiKeyRow.last_used_at)).one() == (start if seconds < 60 else moment)
        assert noted == [True, False, True]
