from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from finery.contracts.accounts import SetupStatus
from finery.contracts.permissions import Level
from finery.db import Database
from finery.domain import accounts
from finery.domain.accounts.errors import InvalidAccount, SetupDone
from finery.models import SetupRow, UserRow
from tests.domain.accounts import people


def attempt(database: Database, number: int) -> str:
    try:
        return people.first_admin(database, f"admin{number}").username
    except SetupDone:
        return "refused"


class TestCreateFirstAdmin:
    def test_closes_the_set_up(self, database: Database) -> None:
        with database.read() as session:
            assert not accounts.has_accounts(session)
            assert accounts.setup_status(session) == SetupStatus(needs_setup=True, has_admin=False, user_count=0)
        admin = people.first_admin(database)
        assert (admin.levels, admin.is_admin, admin.has_password) == ([Level.ADMIN], True, True)
        with database.read() as session:
            assert accounts.has_accounts(session)
            assert accounts.setup_status(session) == SetupStatus(needs_setup=False, has_admin=True, user_count=1)
        with pytest.raises(SetupDone):
            people.first_admin(database, "second")

    @pytest.mark.every_database
    def test_of_twenty_at_once_one_wins(self, database: Database) -> None:
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda number: attempt(database, number), range(20)))
        winners = [answer for answer in answers if answer != "refused"]
        with database.read() as session:
            assert session.scalars(select(UserRow.username)).all() == winners
            assert session.scalar(select(func.count()).select_from(SetupRow)) == 1
        assert len(winners) == 1

    def test_needs_a_password(self, database: Database) -> None:
        with database.write() as session, pytest.raises(InvalidAccount, match="password: is needed"):
            accounts.create_first_admin(session, people.new_user("root", password=None))
        with database.read() as session:
            assert not accounts.has_accounts(session)
