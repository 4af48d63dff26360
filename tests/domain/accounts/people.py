"""Users with explicit defaults."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pytest

from finery.contracts.accounts import NewSession, NewUser, User
from finery.contracts.permissions import Level
from finery.db import Database
from finery.domain import accounts

PASSWORD = "correct horse"
CLOCKS = ("logins", "authentication", "keys", "users", "setup")


def new_user(username: str, *levels: Level, password: str | None = PASSWORD) -> NewUser:
    return NewUser(
        email=f"{username}@example.org",
        username=username,
        password=password,
        levels=list(levels or (Level.RESEARCHER,)),
    )


def first_admin(database: Database, username: str = "root") -> User:
    with database.write() as session:
        return accounts.create_first_admin(session, new_user(username))


def user(database: Database, username: str, *levels: Level, password: str | None = PASSWORD) -> User:
    with database.write() as session:
        return accounts.create_user(session, new_user(username, *levels, password=password))


def log_in(database: Database, login: str, password: str = PASSWORD, *, remember: bool = False) -> NewSession:
    with database.read() as session:
        checked = accounts.check_login(session, login, password)
    with database.write() as session:
        return accounts.open_session(session, checked, remember=remember, address="192.0.2.1")


@contextmanager
def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> Iterator[None]:
    """The domain's clock stands at `moment`."""
    with monkeypatch.context() as patch:
        for name in CLOCKS:
            patch.setattr(f"finery.domain.accounts.{name}.utc_now", lambda: moment)
        yield
