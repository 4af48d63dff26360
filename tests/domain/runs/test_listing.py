"""Lists of runs: what is found, in which order, and page by page."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Level, Principal, permissions_of
from finery.contracts.run import Run, RunFilter, RunOrder, RunPage
from finery.contracts.run_sort import RunSort, SortDirection
from finery.db import Database
from finery.domain import runs
from finery.domain.cursors import BadCursor
from finery.models import RunRow
from tests import builders
from tests.domain.accounts import people

pytestmark = pytest.mark.every_database


def add(database: Database, home: Path, run_id: str, *, actor: Principal = LOCAL_ADMINISTRATOR, **columns: Any) -> Run:
    """A run with these values in its columns."""
    with database.write() as session:
        context = builders.context(home)
        run = runs.create(session, builders.sft(home, id=run_id, name=columns.pop("name", None)), context, actor)
        if columns:
            session.execute(update(RunRow).where(RunRow.number == run.number).values(**columns))
    return run


def page(
    database: Database, run_filter: RunFilter | None = None, *, actor: Principal = LOCAL_ADMINISTRATOR, **wanted: Any
) -> RunPage:
    with database.read() as session:
        return runs.list_page(session, run_filter or RunFilter(), actor, **{"limit": 100, **wanted})


def ids(found: RunPage) -> list[str]:
    return [run.id for run in found.runs]


class TestOrder:
    @pytest.fixture(autouse=True)
    def three(self, database: Database, home: Path) -> None:
        for run_id, name, loss in (("a", "beta", 0.5), ("b", None, None), ("c", "alpha", 1.5), ("d", "beta", 0.1)):
            add(database, home, run_id, name=name, final_loss=loss)

    @pytest.mark.parametrize(
        ("sort", "direction", "found"),
        [
            (RunSort.CREATED, SortDirection.ASCENDING, "abcd"),
            (RunSort.NAME, SortDirection.ASCENDING, "cdab"),
            (RunSort.NAME, SortDirection.DESCENDING, "dacb"),
            (RunSort.LOSS, SortDirection.ASCENDING, "dacb"),
            (RunSort.LOSS, SortDirection.DESCENDING, "cadb"),
        ],
    )
    def test_pages_by_cursor(self, database: Database, sort: RunSort, direction: SortDirection, found: str) -> None:
        order, seen, cursor = RunOrder(sort=sort, direction=direction), "", None
        for _ in range(2):
            part = page(database, order=order, limit=2, cursor=cursor)
            seen, cursor = seen + "".join(ids(part)), part.next_cursor
        assert (seen, cursor) == (found, None)

    def test_offset_and_total(self, database: Database) -> None:
        part = page(database, offset=1, limit=2, with_total=True)
        assert (ids(part), part.total) == (["c", "b"], 4)
        assert page(database).total is None

    def test_cursor_of_nobody(self, database: Database) -> None:
        with pytest.raises(BadCursor):
            page(database, order=RunOrder(sort=RunSort.NAME), cursor="x")


class TestFilter:
    def test_part_of_name(self, database: Database, home: Path) -> None:
        for run_id, name in (("a", "Search 100%"), ("b", "search 1000"), ("c", None), ("d", "chat")):
            add(database, home, run_id, name=name)
        assert ids(page(database, RunFilter(name_contains="SEARCH"))) == ["b", "a"]
        assert ids(page(database, RunFilter(name_contains="100%"))) == ["a"]
        assert page(database, RunFilter(name_contains="_"), with_total=True).total == 0

    def test_time(self, database: Database, home: Path) -> None:
        start = datetime.fromisoformat("2026-01-02T00:00:00+00:00")
        for day, run_id in enumerate("abc"):
            add(database, home, run_id, created_at=start + timedelta(days=day))
        assert ids(page(database, RunFilter(created_after=start + timedelta(days=1)))) == ["c", "b"]
        assert ids(page(database, RunFilter(created_before=start))) == ["a"]

    def test_owner_is_found_among_what_one_may_see(self, database: Database, home: Path) -> None:
        people.first_admin(database)
        mina, juno = (people.user(database, name, Level.RESEARCHER, password=None) for name in ("mina", "juno"))
        principals = [Principal(user.id, user.username, permissions_of([Level.RESEARCHER])) for user in (mina, juno)]
        add(database, home, "m", actor=principals[0])
        add(database, home, "j", actor=principals[1])
        add(database, home, "n")
        for owner in ("mina", mina.id):
            assert ids(page(database, RunFilter(owner=owner))) == ["m"]
            assert page(database, RunFilter(owner=owner), actor=principals[1], with_total=True).total == 0


class TestFinalLoss:
    def test_is_the_last_one_told(self, database: Database, home: Path) -> None:
        add(database, home, "a", progress={"fraction": 0.5, "loss": 0.25})
        with database.write() as session:
            runs.request_cancel(session, "a", LOCAL_ADMINISTRATOR)
        with database.read() as session:
            assert session.query(RunRow.final_loss).scalar() == 0.25
