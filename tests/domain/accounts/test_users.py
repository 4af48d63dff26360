import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from finery.contracts.accounts import NewUser, User, UserChanges
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Level
from finery.db import Database
from finery.domain import accounts, runs
from finery.domain.accounts.errors import (
    InvalidAccount,
    KeyRefused,
    LastAdministrator,
    LoginRefused,
    SessionEnded,
    SetupNeeded,
    UserExists,
    UserNotFound,
    WrongPassword,
)
from finery.domain.accounts.users import prepare_user
from finery.domain.errors import DomainError
from finery.models import ApiKeyRow, RunRow, SecretRow, SessionRow
from tests import builders
from tests.domain.accounts import people

pytestmark = pytest.mark.every_database


def change(database: Database, user_id: str, **changes: Any) -> User:
    with database.write() as session:
        return accounts.update_user(session, user_id, UserChanges(**changes))


def delete(database: Database, user_id: str) -> None:
    with database.write() as session:
        accounts.delete_user(session, user_id)


class TestCreateUser:
    def test_is_a_researcher_unless_told(self, database: Database) -> None:
        people.first_admin(database)
        with database.write() as session:
            created = accounts.create_user(session, NewUser(email="Ann@Example.org", username="Ann"))
        assert created.levels == [Level.RESEARCHER]
        assert not created.has_password
        with database.read() as session:
            assert accounts.get_user(session, created.id) == created
            assert [user.username for user in accounts.list_users(session)] == ["Ann", "root"]

    def test_not_before_the_set_up(self, database: Database) -> None:
        with pytest.raises(SetupNeeded):
            people.user(database, "early", Level.ADMIN)

    @pytest.mark.parametrize(
        ("field", "values"),
        [
            ("username", {"username": "ANN", "email": "other@example.org"}),
            ("email", {"username": "other", "email": "ANN@EXAMPLE.ORG"}),
        ],
    )
    def test_names_are_unique_whatever_the_capitals(
        self, database: Database, field: str, values: dict[str, str]
    ) -> None:
        people.first_admin(database)
        people.user(database, "ann")
        with database.write() as session, pytest.raises(UserExists) as caught:
            accounts.create_user(session, NewUser(**values))
        assert caught.value.issues[0].field == field

    def test_of_ten_at_once_one_gets_the_name(self, database: Database) -> None:
        people.first_admin(database)

        def attempt(_number: int) -> bool:
            try:
                people.user(database, "ann")
            except UserExists:
                return False
            return True

        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(attempt, range(10))) == 1

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("username", "a"),
            ("username", "a" * 65),
            ("username", "a b"),
            ("username", "имя"),
            ("username", "a@b"),
            ("username", "ab\0"),
            ("username", "ab\n"),
            ("email", "nobody"),
            ("email", "a@b@c"),
            ("email", "a @b"),
            ("email", "@b"),
            ("email", "a@"),
            ("email", "a\0@b"),
            ("email", "a\ud800@b"),
            ("email", "a" * 251 + "@b.c"),
            ("password", "seven77"),
            ("password", "x" * 1025),
            ("password", "USERNAME8"),
            ("display_name", ""),
            ("display_name", "x" * 201),
            ("display_name", "a\u202eb"),
            ("display_name", "a\0"),
            ("levels", []),
        ],
    )
    def test_issues_are_named(self, field: str, value: object) -> None:
        values: dict[str, Any] = {"username": "username8", "email": "a@b.c", "password": people.PASSWORD, field: value}
        with pytest.raises(InvalidAccount) as caught:
            prepare_user(NewUser(**values))
        assert [issue.field for issue in caught.value.issues] == [field]
        if field == "password":
            assert str(value) not in str(caught.value)

    def test_names_of_any_script(self, database: Database) -> None:
        people.first_admin(database)
        new = NewUser(email="用户@例え.jp", username="yamada", display_name="山田\u3000太郎", password="пароль 🔑!")
        with database.write() as session:
            accounts.create_user(session, new)
        assert people.log_in(database, "用户@例え.JP", "пароль 🔑!").user.display_name == "山田\u3000太郎"


class TestUpdateUser:
    def test_only_what_is_set_changes(self, database: Database) -> None:
        people.first_admin(database)
        ann = people.user(database, "ann")
        changed = change(database, ann.id, display_name="Ann", levels=[Level.LEAD, Level.LEAD])
        assert (changed.display_name, changed.levels, changed.email) == ("Ann", [Level.LEAD], ann.email)
        assert change(database, ann.id, display_name=None, email=None).display_name is None
        renamed = change(database, ann.id, username="ANN2", email="new@example.org")
        assert people.log_in(database, "ann2").user.id == people.log_in(database, "NEW@example.org").user.id
        assert renamed.updated_at > ann.updated_at

    def test_its_own_name_in_other_capitals(self, database: Database) -> None:
        people.first_admin(database)
        ann = people.user(database, "ann")
        assert change(database, ann.id, username="Ann").username == "Ann"

    def test_another_users_name(self, database: Database) -> None:
        people.first_admin(database)
        ann = people.user(database, "ann")
        with pytest.raises(UserExists):
            change(database, ann.id, username="ROOT")

    @pytest.mark.parametrize(
        "changes", [{"password": "short"}, {"password": "Annabella"}, {"username": "-", "email": "x"}]
    )
    def test_issues(self, database: Database, changes: dict[str, str]) -> None:
        people.first_admin(database)
        ann = people.user(database, "annabella")
        with pytest.raises(InvalidAccount):
            change(database, ann.id, **changes)

    def test_unknown(self, database: Database) -> None:
        people.first_admin(database)
        for user_id in ("nobody", "", "a\0b", "\ud800", "x" * 500):
            with pytest.raises(UserNotFound):
                change(database, user_id, display_name="x")
            with database.read() as session, pytest.raises(UserNotFound):
                accounts.get_user(session, user_id)

    def test_a_new_password_ends_sessions_and_keys(self, database: Database) -> None:
        root = people.first_admin(database)
        ann = people.user(database, "ann")
        opened = people.log_in(database, "ann")
        with database.write() as session:
            principal = accounts.authenticate_session(session, opened.token).principal
            key = accounts.create_key(session, principal, name="k").key
            other = accounts.create_key(session, replace(principal, user_id=root.id), name="k").key
        change(database, ann.id, display_name="Ann", is_active=True)
        with database.read() as session:
            assert accounts.authenticate_key(session, key).principal.user_id == ann.id
        change(database, ann.id, password="another horse")
        with database.read() as session:
            with pytest.raises(SessionEnded):
                accounts.authenticate_session(session, opened.token)
            with pytest.raises(KeyRefused):
                accounts.authenticate_key(session, key)
            assert accounts.authenticate_key(session, other).principal.user_id == root.id
        with pytest.raises(LoginRefused):
            people.log_in(database, "ann")
        people.log_in(database, "ann", "another horse")

    def test_inactive_users_come_in_by_no_door(self, database: Database) -> None:
        people.first_admin(database)
        ann = people.user(database, "ann")
        opened = people.log_in(database, "ann")
        with database.write() as session:
            principal = accounts.authenticate_session(session, opened.token).principal
            key = accounts.create_key(session, principal, name="k").key
        change(database, ann.id, is_active=False)
        with database.read() as session:
            with pytest.raises(SessionEnded):
                accounts.authenticate_session(session, opened.token)
            with pytest.raises(KeyRefused):
                accounts.authenticate_key(session, key)
        with pytest.raises(LoginRefused):
            people.log_in(database, "ann")
        change(database, ann.id, is_active=True)
        with database.read() as session:
            with pytest.raises(SessionEnded):
                accounts.authenticate_session(session, opened.token)
            with pytest.raises(KeyRefused):
                accounts.authenticate_key(session, key)

    @pytest.mark.parametrize(
        ("levels", "is_admin", "after"),
        [
            (None, True, [Level.LEAD, Level.ADMIN]),
            (None, False, [Level.LEAD]),
            ([Level.VIEWER], True, [Level.VIEWER, Level.ADMIN]),
            ([Level.ADMIN], False, [Level.RESEARCHER]),
            ([], True, [Level.ADMIN]),
        ],
    )
    def test_an_administrator_or_not(
        self, database: Database, levels: list[Level] | None, is_admin: bool, after: list[Level]
    ) -> None:
        people.first_admin(database)
        ann = people.user(database, "ann", Level.LEAD)
        with database.write() as session:
            changed = accounts.update_user(session, ann.id, UserChanges(levels=levels), is_admin=is_admin)
        assert changed.levels == after

    def test_of_two_changes_at_once_neither_is_lost(self, database: Database) -> None:
        """The second waits for the first, and goes by what that has made of the levels."""
        people.first_admin(database)
        ann = people.user(database, "ann", Level.VIEWER)
        begun = threading.Event()

        def promote() -> User:
            with database.write() as session:
                begun.set()
                return accounts.update_user(session, ann.id, UserChanges(), is_admin=True)

        with ThreadPoolExecutor(1) as pool:
            with database.write() as session:
                accounts.update_user(session, ann.id, UserChanges(levels=[Level.LEAD]))
                second = pool.submit(promote)
                # SQLite lets no second writer begin.
                begun.wait(0.2)
            assert second.result(30).levels == [Level.LEAD, Level.ADMIN]


class TestLastAdministrator:
    @pytest.mark.parametrize("changes", [{"is_active": False}, {"levels": [Level.LEAD]}, None])
    def test_stays(self, database: Database, changes: dict[str, Any] | None) -> None:
        root = people.first_admin(database)
        people.user(database, "no-password", Level.ADMIN, password=None)
        people.user(database, "lead", Level.LEAD)
        with pytest.raises(LastAdministrator):
            change(database, root.id, **changes) if changes else delete(database, root.id)
        assert people.log_in(database, "root").user.is_admin

    def test_and_nothing_of_a_refused_change(self, database: Database) -> None:
        """Also when whoever called goes on in the same transaction."""
        root = people.first_admin(database)
        with database.write() as session:
            with pytest.raises(LastAdministrator):
                accounts.update_user(session, root.id, UserChanges(display_name="x", levels=[Level.VIEWER]))
            with pytest.raises(LastAdministrator):
                accounts.delete_user(session, root.id)
        with database.read() as session:
            assert accounts.get_user(session, root.id) == root

    def test_may_change_otherwise(self, database: Database) -> None:
        root = people.first_admin(database)
        changed = change(database, root.id, username="boss", password="another horse", levels=[Level.ADMIN, Level.LEAD])
        assert changed.is_admin

    def test_goes_when_there_is_another(self, database: Database) -> None:
        root = people.first_admin(database)
        people.user(database, "second", Level.ADMIN)
        delete(database, root.id)
        with database.read() as session:
            assert accounts.has_accounts(session)
            assert [user.username for user in accounts.list_users(session)] == ["second"]

    def test_two_cannot_delete_one_another(self, database: Database) -> None:
        ids = [people.first_admin(database).id, people.user(database, "second", Level.ADMIN).id]

        def attempt(user_id: str) -> str:
            try:
                delete(database, user_id)
            except DomainError as error:
                return error.code
            return "deleted"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(attempt, ids)) == ["deleted", "last_administrator"]


class TestDeleteUser:
    def test_runs_stay_and_are_nobodys(self, database: Database, home: Path) -> None:
        people.first_admin(database)
        ann, bob = people.user(database, "ann"), people.user(database, "bob")
        with database.write() as session:
            for user in (ann, bob):
                runs.create(session, builders.external(user.username), builders.context(home), LOCAL_ADMINISTRATOR)
                session.execute(update(RunRow).where(RunRow.id == user.username).values(owner_id=user.id))
        opened = people.log_in(database, "ann")
        with database.write() as session:
            principal = accounts.authenticate_session(session, opened.token).principal
            accounts.create_key(session, principal, name="k")
        delete(database, ann.id)
        with database.read() as session:
            owners = {row.id: row.owner_id for row in session.execute(select(RunRow.id, RunRow.owner_id))}
            assert owners == {"ann": None, "bob": bob.id}
            assert [len(session.scalars(select(table)).all()) for table in (SessionRow, ApiKeyRow, SecretRow)] == [
                0
            ] * 3
            with pytest.raises(UserNotFound):
                accounts.get_user(session, ann.id)


class TestChangePassword:
    def test_keeps_this_session_only(self, database: Database) -> None:
        root = people.first_admin(database)
        here, there = people.log_in(database, "root"), people.log_in(database, "root")
        with database.write() as session:
            accounts.change_password(session, root.id, current=people.PASSWORD, new="another horse", keep=here.token)
        with database.read() as session:
            accounts.authenticate_session(session, here.token)
            with pytest.raises(SessionEnded):
                accounts.authenticate_session(session, there.token)
        people.log_in(database, "root", "another horse")

    @pytest.mark.parametrize(
        ("current", "new", "error"),
        [
            ("wrong password", "another horse", WrongPassword),
            (people.PASSWORD, "short", InvalidAccount),
            (people.PASSWORD, "rootroot", InvalidAccount),
        ],
    )
    def test_refused(self, database: Database, current: str, new: str, error: type[DomainError]) -> None:
        root = people.first_admin(database, "rootroot")
        with database.write() as session, pytest.raises(error):
            accounts.change_password(session, root.id, current=current, new=new)
        people.log_in(database, "rootroot")
