import os
import stat
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import JSON, insert, literal, select
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from finery.db import Database
from finery.kit.clock import utc_now
from finery.models import UserRow

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
