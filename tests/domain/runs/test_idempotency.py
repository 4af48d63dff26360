from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import NewRun, Run
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import runs
from finery.domain.runs import idempotency
from finery.domain.runs.errors import StillWorkedOn
from finery.domain.runs.queries import lock_row
from finery.domain.runs.transitions import change_status
from tests import builders


def create(database: Database, home: Path, new: NewRun) -> Run:
    with database.write() as session:
        return runs.create(session, new, builders.context(home), LOCAL_ADMINISTRATOR)


def retried(new: NewRun) -> NewRun:
    return new.model_copy(update={"is_retry": True})


class TestARetryWithoutAKey:
    def test_is_answered_with_the_run_of_the_first_time(self, database: Database, home: Path) -> None:
        new = builders.command()
        assert create(database, home, retried(new)).id == create(database, home, retried(new)).id
        assert create(database, home, new).id != create(database, home, new).id

    def test_not_with_one_that_was_cancelled(self, database: Database, home: Path) -> None:
        first = create(database, home, builders.command())
        with database.write() as session:
            runs.request_cancel(session, first.id, LOCAL_ADMINISTRATOR)
        assert create(database, home, retried(builders.command())).id != first.id

    @pytest.mark.parametrize(("reason", "is_answer"), [(Reason.OOM, False), (Reason.INVALID_DATA, True)])
    def test_with_one_that_failed_only_where_it_would_again(
        self, database: Database, home: Path, reason: Reason, is_answer: bool
    ) -> None:
        first = create(database, home, builders.command())
        with database.write() as session:
            row = lock_row(session, first.id, LOCAL_ADMINISTRATOR)
            change_status(session, row, RunStatus.FAILED, reason=reason)
        assert (create(database, home, retried(builders.command())).id == first.id) is is_answer

    @pytest.mark.parametrize(("minutes", "is_answer"), [(9, True), (11, False)])
    def test_within_ten_minutes(self, database: Database, home: Path, minutes: int, is_answer: bool) -> None:
        first = create(database, home, builders.command())
        with database.write() as session:
            lock_row(session, first.id, LOCAL_ADMINISTRATOR).created_at -= timedelta(minutes=minutes)
        assert (create(database, home, retried(builders.command())).id == first.id) is is_answer

    @pytest.mark.every_database
    def test_that_comes_while_the_first_is_worked_on(self, database: Database, home: Path) -> None:
        is_made, may_end = Event(), Event()

        def first() -> str:
            with database.write() as session:
                run = runs.create(session, builders.command(), builders.context(home), LOCAL_ADMINISTRATOR)
                is_made.set()
                may_end.wait(10)
            return run.id

        with ThreadPoolExecutor(2) as pool:
            made = pool.submit(first)
            is_made.wait(10)
            again = pool.submit(create, database, home, retried(builders.command()))
            with pytest.raises(TimeoutError):
                again.result(timeout=0.2)
            may_end.set()
            assert again.result().id == made.result()

    def test_that_comes_after_the_first_was_given_up(self, database: Database, home: Path) -> None:
        with database.write() as session:
            runs.create(session, builders.command(), builders.context(home), LOCAL_ADMINISTRATOR)
            session.rollback()
            assert idempotency._in_flight == {}
        assert create(database, home, retried(builders.command())).status is RunStatus.QUEUED
        assert idempotency._in_flight == {}

    @pytest.mark.every_database
    def test_does_not_wait_for_ever(self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(idempotency, "PATIENCE_SECONDS", 0.01)
        with database.write() as session:
            runs.create(session, builders.command(), builders.context(home), LOCAL_ADMINISTRATOR)
            with ThreadPoolExecutor(1) as other:
                again = other.submit(create, database, home, retried(builders.command()))
                assert isinstance(again.exception(timeout=60), StillWorkedOn)
        assert idempotency._in_flight == {}
