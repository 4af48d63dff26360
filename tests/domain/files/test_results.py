from pathlib import Path

import pytest

from finery.contracts.permissions import Principal
from finery.contracts.status import RunStatus
from finery.db import Database
from finery.domain import files, runs
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import change_status
from tests import builders
from tests.domain.principals import ANN, BOB, LEAD, NO_ACCOUNT

WAY = (RunStatus.STARTING, RunStatus.RUNNING, RunStatus.SUCCEEDED)


def succeeded(database: Database, home: Path, run_id: str, *, actor: Principal = ANN, source: str = "openai") -> str:
    with database.write() as session:
        run = runs.create(session, builders.sft(home, id=run_id, source=source), builders.context(home), actor)
        for status in WAY:
            change_status(session, lock_row(session, run_id, actor), status)
    return run.uid


def listed(
    database: Database, actor: Principal = ANN, *, after: int | None = None, limit: int = 100, newest_first: bool = True
) -> list[str]:
    with database.read() as session:
        found = files.list_results(session, actor, source="openai", after=after, limit=limit, newest_first=newest_first)
    return [result.run_id for result in found]


def find(database: Database, run_id: str, actor: Principal = ANN) -> files.Result | None:
    with database.read() as session:
        return files.find_result(session, run_id, actor, source="openai")


class TestListResults:
    def test_in_both_orders_from_either_end(self, database: Database, home: Path) -> None:
        ids = [succeeded(database, home, f"r{number}") for number in range(5)]
        assert listed(database, limit=3) == ids[:1:-1]
        assert listed(database, limit=3, newest_first=False) == ids[:3]
        middle = find(database, ids[2])
        assert middle is not None
        assert listed(database, after=middle.number) == ids[1::-1]
        assert listed(database, after=middle.number, newest_first=False) == ids[3:]

    def test_only_of_runs_that_succeeded_and_of_that_dialect(self, database: Database, home: Path) -> None:
        native = succeeded(database, home, "native", source="native")
        with database.write() as session:
            queued = runs.create(session, builders.sft(home, id="queued", source="openai"), builders.context(home), ANN)
        assert listed(database) == []
        assert find(database, native) is find(database, queued.uid) is find(database, "none") is None

    @pytest.mark.parametrize("other", [BOB, NO_ACCOUNT], ids=lambda actor: actor.name)
    def test_only_for_those_who_may_see_the_run(self, database: Database, home: Path, other: Principal) -> None:
        run_id = succeeded(database, home, "r")
        assert listed(database, other) == []
        assert find(database, run_id, other) is None
        assert listed(database, LEAD) == [run_id]


class TestFindResult:
    def test_it_changes_with_the_runs_events(self, database: Database, home: Path) -> None:
        result = find(database, succeeded(database, home, "r"))
        assert result is not None
        with database.read() as session:
            run = runs.get(session, "r", ANN)
        assert (result.number, result.created_at) == (run.number, run.finished_at)
        assert result.last_sequence == run.last_sequence == len(WAY) + 1
