from datetime import timedelta
from unittest.mock import Mock

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, update

from finery.db import Database
from finery.domain import accounts
from finery.domain.accounts import passwords
from finery.domain.accounts.errors import LoginRefused, SessionEnded
from finery.kit.clock import utc_now
from finery.models import SessionRow, UserRow
from tests.domain.accounts import people

WRONG = [
    ("root", "wrong password"),
    ("root", ""),
    ("root", people.PASSWORD + "\0"),
    ("root", "\ud800"),
    ("root", "x" * 100_000),
    ("nobody", people.PASSWORD),
    ("nobody@example.org", people.PASSWORD),
    ("no-password", people.PASSWORD),
    ("no-password", "nobody's password"),
    ("nobody", "nobody's password"),
    ("", people.PASSWORD),
    ("ro\0ot", people.PASSWORD),
    ("\ud800@x", people.PASSWORD),
    ("root ", people.PASSWORD),
    ("x" * 10_000, people.PASSWORD),
    ("' OR 1=1 --", people.PASSWORD),
]


def stored_hash(database: Database) -> str:
    with database.read() as session:
        return session.scalars(select(UserRow.password_hash)).one() or ""


class TestCheckLogin:
    def test_by_name_or_address(self, database: Database) -> None:
        admin = people.first_admin(database)
        for login in ("root", "ROOT", "root@example.org", "Root@Example.ORG"):
            opened = people.log_in(database, login)
            assert opened.user.id == admin.id
            assert opened.user.last_login_at is not None

    def test_one_error_and_one_comparison_whatever_is_wrong(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        people.first_admin(database)
        people.user(database, "no-password", password=None)
        hasher = Mock(wraps=passwords._HASHER)
        monkeypatch.setattr(passwords, "_HASHER", hasher)
        for count, (login, password) in enumerate(WRONG, 1):
            with database.read() as session, pytest.raises(LoginRefused, match=r"^user name or password is wrong$"):
                accounts.check_login(session, login, password)
            assert hasher.verify.call_count == count

    def test_composed_or_not_it_is_the_same_password(self, database: Database) -> None:
        people.first_admin(database)
        people.user(database, "rene", password="caf\u00e9 cr\u00e8me")
        assert people.log_in(database, "rene", "cafe\u0301 cre\u0300me").user.username == "rene"

    def test_old_parameters_are_brought_up_to_date(self, database: Database) -> None:
        admin = people.first_admin(database)
        old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(people.PASSWORD)
        with database.write() as session:
            session.execute(update(UserRow).values(password_hash=old))
        people.log_in(database, "root")
        upgraded = stored_hash(database)
        assert upgraded != old
        assert not passwords.is_outdated(upgraded)
        assert people.log_in(database, "root").user.id == admin.id
        assert stored_hash(database) == upgraded

    def test_a_broken_hash_lets_nobody_in(self, database: Database) -> None:
        people.first_admin(database)
        with database.write() as session:
            session.execute(update(UserRow).values(password_hash="not a hash"))
        with pytest.raises(LoginRefused):
            people.log_in(database, "root")


class TestOpenSession:
    def test_not_when_the_password_changed_since(self, database: Database) -> None:
        admin = people.first_admin(database)
        with database.read() as session:
            checked = accounts.check_login(session, "root", people.PASSWORD)
        with database.write() as session:
            accounts.change_password(session, admin.id, current=people.PASSWORD, new="another horse")
        with database.write() as session, pytest.raises(LoginRefused):
            accounts.open_session(session, checked, remember=False, address=None)

    def test_not_when_the_user_is_gone(self, database: Database) -> None:
        people.first_admin(database)
        ann = people.user(database, "ann")
        with database.read() as session:
            checked = accounts.check_login(session, "ann", people.PASSWORD)
        with database.write() as session:
            accounts.delete_user(session, ann.id)
        with database.write() as session, pytest.raises(LoginRefused):
            accounts.open_session(session, checked, remember=False, address=None)

    def test_the_token_is_stored_hashed_and_shown_nowhere(self, database: Database) -> None:
        people.first_admin(database)
        opened = people.log_in(database, "root")
        assert opened.token not in repr(opened)
        with database.read() as session:
            row = session.scalars(select(SessionRow)).one()
            assert opened.token not in (row.token_hash, row.address)
            assert row.address == "192.0.2.1"
            checked = accounts.check_login(session, "root", people.PASSWORD)
        assert "argon2" not in repr(checked)

    def test_ended_sessions_are_forgotten(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        people.first_admin(database)
        people.log_in(database, "root")
        with people.at(monkeypatch, utc_now() + timedelta(days=10)):
            people.log_in(database, "root")
        with database.read() as session:
            assert session.scalar(select(func.count()).select_from(SessionRow)) == 1


class TestCloseSession:
    def test_ends_this_one(self, database: Database) -> None:
        people.first_admin(database)
        here, there = people.log_in(database, "root"), people.log_in(database, "root")
        for _ in range(2):
            with database.write() as session:
                accounts.close_session(session, here.token)
        with database.read() as session:
            accounts.authenticate_session(session, there.token)
            with pytest.raises(SessionEnded):
                accounts.authenticate_session(session, here.token)
