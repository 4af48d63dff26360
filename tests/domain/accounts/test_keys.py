import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from finery.contracts.accounts import NewKey, UserChanges
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, PERMISSIONS_OF_LEVEL, Level, Permission, Principal
from finery.db import Database
from finery.domain import accounts
from finery.domain.accounts import keys
from finery.domain.accounts.errors import (
    InvalidAccount,
    KeyNotFound,
    KeyRefused,
    SetupNeeded,
    TooManyKeys,
    UserNotFound,
)
from finery.kit.clock import utc_now
from finery.models import ApiKeyRow
from tests.domain.accounts import people


def principal(database: Database, *levels: Level, username: str = "ann") -> Principal:
    with database.read() as session:
        has_accounts = accounts.has_accounts(session)
    if not has_accounts:
        people.first_admin(database)
    created = people.user(database, username, *levels)
    allowed = frozenset[Permission]().union(*(PERMISSIONS_OF_LEVEL[level] for level in created.levels))
    return Principal(created.id, username, allowed)


def make(database: Database, actor: Principal, **options: Any) -> NewKey:
    with database.write() as session:
        return accounts.create_key(session, actor, **{"name": "laptop", **options})


def come_with(database: Database, key: str) -> Principal:
    with database.read() as session:
        return accounts.authenticate_key(session, key).principal


class TestCreateKey:
    def test_is_shown_once_and_stored_hashed(self, database: Database) -> None:
        actor = principal(database)
        made = make(database, actor)
        assert re.fullmatch(r"st_[A-Za-z0-9_-]{43}", made.key)
        assert made.info.prefix == made.key[:11]
        assert made.key not in repr(made)
        with database.read() as session:
            row = session.scalars(select(ApiKeyRow)).one()
            assert made.key not in {str(value) for value in vars(row).values()}
            assert accounts.list_keys(session, actor.user_id or "") == [made.info]
        assert come_with(database, made.key) == actor

    @pytest.mark.parametrize(
        ("options", "field", "message"),
        [
            ({"name": ""}, "name", "1 to 200"),
            ({"name": "x" * 201}, "name", "1 to 200"),
            ({"name": "a\0b"}, "name", "printable"),
            ({"expires_days": 0}, "expires_days", "1 to 3650"),
            ({"expires_days": 10**18}, "expires_days", "1 to 3650"),
            ({"scoped_permissions": []}, "scoped_permissions", "at least one"),
            (
                {"scoped_permissions": ["runs:raed"]},
                "scoped_permissions",
                "did you mean runs:read?); known are account",
            ),
            ({"scoped_permissions": ["a\0b"]}, "scoped_permissions", "'a\\x00b' is no permission; known are"),
            ({"scoped_permissions": ["users:write"]}, "scoped_permissions", "you do not have users:write yourself"),
        ],
    )
    def test_issues(self, database: Database, options: dict[str, Any], field: str, message: str) -> None:
        with pytest.raises(InvalidAccount) as caught:
            make(database, principal(database), **options)
        assert [issue.field for issue in caught.value.issues] == [field]
        assert message in str(caught.value)

    def test_not_without_an_account(self, database: Database) -> None:
        with pytest.raises(SetupNeeded):
            make(database, LOCAL_ADMINISTRATOR)

    def test_so_many_active_and_no_more(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keys, "MOST_KEYS", 2)
        ann, bob = principal(database), principal(database, username="bob")
        first, ending = make(database, ann), make(database, ann, expires_days=1)
        with pytest.raises(TooManyKeys, match="there are 2 active API keys already; revoke one"):
            make(database, ann)
        make(database, bob)
        with database.write() as session:
            accounts.revoke_key(session, ann.user_id or "", first.info.id)
        make(database, ann)
        with people.at(monkeypatch, (ending.info.expires_at or utc_now()) + timedelta(seconds=1)):
            make(database, ann)

    @pytest.mark.every_database
    def test_of_many_at_once_only_so_many_are_made(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(keys, "MOST_KEYS", 3)
        actor = principal(database)

        def attempt(_number: int) -> bool:
            try:
                make(database, actor)
            except TooManyKeys:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(attempt, range(8))) == 3

    def test_not_for_who_was_deactivated_or_deleted_since(self, database: Database) -> None:
        actor = principal(database)
        with database.write() as session:
            accounts.update_user(session, actor.user_id or "", UserChanges(is_active=False))
        with pytest.raises(KeyRefused):
            make(database, actor)
        with database.write() as session:
            accounts.delete_user(session, actor.user_id or "")
        with pytest.raises(KeyRefused):
            make(database, actor)

    def test_a_key_makes_no_stronger_key(self, database: Database) -> None:
        weak = make(database, principal(database), scoped_permissions=["keys:self", "runs:read"])
        holder = come_with(database, weak.key)
        assert holder.permissions == {Permission.KEYS_SELF, Permission.RUNS_READ}
        with pytest.raises(InvalidAccount, match="you do not have runs:write yourself"):
            make(database, holder, scoped_permissions=["runs:write"])
        assert come_with(database, make(database, holder).key).permissions == holder.permissions

    def test_a_key_makes_no_key_that_outlives_it(self, database: Database) -> None:
        short = make(database, principal(database), expires_days=2)
        holder = come_with(database, short.key)
        assert make(database, holder).info.expires_at == short.info.expires_at
        assert (make(database, holder, expires_days=1).info.expires_at or utc_now()) < utc_now() + timedelta(days=1)
        with pytest.raises(InvalidAccount, match="the key that you come with ends at") as caught:
            make(database, holder, expires_days=3)
        assert [issue.field for issue in caught.value.issues] == ["expires_days"]


class TestAuthenticateKey:
    def test_is_never_worth_more_than_its_user(self, database: Database) -> None:
        actor = principal(database, Level.LEAD)
        key = make(database, actor, scoped_permissions=["runs:all", "runs:read"]).key
        assert come_with(database, key).sees_all_runs
        with database.write() as session:
            accounts.update_user(session, actor.user_id or "", UserChanges(levels=[Level.VIEWER]))
        holder = come_with(database, key)
        assert holder.permissions == {Permission.RUNS_READ}
        assert not holder.sees_all_runs

    def test_expires(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        actor = principal(database)
        made = make(database, actor, expires_days=1)
        come_with(database, made.key)
        with people.at(monkeypatch, utc_now() + timedelta(days=1, seconds=1)), database.read() as session:
            with pytest.raises(KeyRefused):
                accounts.authenticate_key(session, made.key)
            assert [key.is_active for key in accounts.list_keys(session, actor.user_id or "")] == [False]

    def test_refuses_what_it_does_not_know(self, database: Database) -> None:
        principal(database)
        for key in ("", "st_", "st_unknown", "unknown", "st_\0", "st_\ud800", "st_" + "x" * 100_000):
            with pytest.raises(KeyRefused):
                come_with(database, key)

    def test_neither_the_prefix_nor_the_hash_is_a_key(self, database: Database) -> None:
        made = make(database, principal(database))
        with database.read() as session:
            secret_hash = session.scalars(select(ApiKeyRow.secret_hash)).one()
        for text in (made.info.prefix, secret_hash, f"st_{secret_hash}", made.key[3:], made.key + " "):
            with pytest.raises(KeyRefused):
                come_with(database, text)


class TestListKeys:
    def test_no_active_one_is_pushed_out(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        actor = principal(database)
        oldest, revoked, newest = make(database, actor), make(database, actor), make(database, actor)
        with database.write() as session:
            for made in (revoked, newest):
                accounts.revoke_key(session, actor.user_id or "", made.info.id)
        monkeypatch.setattr(keys, "MAX_LISTED", 2)
        with database.read() as session:
            listed = accounts.list_keys(session, actor.user_id or "")
        assert [key.id for key in listed] == [newest.info.id, oldest.info.id]

    def test_of_another(self, database: Database) -> None:
        ann, bob = principal(database), principal(database, username="bob")
        made = make(database, ann)
        with database.read() as session:
            assert accounts.list_keys_of(session, ann.user_id or "") == [made.info]
            assert accounts.list_keys_of(session, bob.user_id or "") == []
            for user_id in ("nobody", "a\0b", ""):
                with pytest.raises(UserNotFound):
                    accounts.list_keys_of(session, user_id)


class TestRevokeKey:
    def test_works_no_more(self, database: Database) -> None:
        actor = principal(database)
        made = make(database, actor)
        for _ in range(2):
            with database.write() as session:
                assert not accounts.revoke_key(session, actor.user_id or "", made.info.id).is_active
        with pytest.raises(KeyRefused):
            come_with(database, made.key)

    def test_of_another(self, database: Database) -> None:
        ann, bob = principal(database), principal(database, username="bob")
        made = make(database, ann)
        with database.write() as session:
            with pytest.raises(KeyNotFound):
                accounts.revoke_key_of(session, bob.user_id or "", made.info.id)
            with pytest.raises(UserNotFound):
                accounts.revoke_key_of(session, "a\0b", made.info.id)
            assert not accounts.revoke_key_of(session, ann.user_id or "", made.info.id).is_active
        with pytest.raises(KeyRefused):
            come_with(database, made.key)

    def test_not_another_users(self, database: Database) -> None:
        ann, bob = principal(database), principal(database, username="bob")
        made = make(database, ann)
        for key_id in (made.info.id, "nothing", "a\0b", ""):
            with database.write() as session, pytest.raises(KeyNotFound):
                accounts.revoke_key(session, bob.user_id or "", key_id)
        come_with(database, made.key)
