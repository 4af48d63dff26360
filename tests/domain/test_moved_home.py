"""A database that another home has served."""

from pathlib import Path

import pytest
from sqlalchemy import func, select

from finery.contracts.deployment import DeploymentStatus, NewDeployment
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.contracts.run import Run
from finery.contracts.status import Reason, RunStatus
from finery.db import Database
from finery.domain import deployments, runs
from finery.domain.moved_home import ENGINE_ELSEWHERE, UNDER_WAY, WAITING, HomeChange, settle_home
from finery.domain.runs import attempts, claims
from finery.domain.runs.attempts import AttemptRef
from finery.models import AttemptRow, LeaseRow
from tests import builders

TINY = "finery/tiny-llama"


def submit(database: Database, home: Path) -> str:
    with database.write() as session:
        return runs.create(session, builders.command("true"), builders.context(home), LOCAL_ADMINISTRATOR).id


def claim(database: Database) -> AttemptRef:
    with database.write() as session:
        claimed = claims.claim_next(session, builders.machine(cpu_slots=2), executor="local", max_passed=1)
    assert claimed is not None
    return claimed.ref


def settle(database: Database, home_id: str, *, take_over: bool = False) -> HomeChange:
    with database.write() as session:
        return settle_home(session, home_id, take_over=take_over)


def get(database: Database, run_id: str) -> Run:
    with database.read() as session:
        return runs.get(session, run_id, LOCAL_ADMINISTRATOR)


@pytest.fixture
def first(database: Database) -> str:
    """The home that has served the database so far."""
    settle(database, "first")
    return "first"


class TestSettleHome:
    def test_takes_what_is_from_before_homes_had_names_as_its_own(self, database: Database, home: Path) -> None:
        run_id = submit(database, home)
        assert settle(database, "any") == HomeChange()
        assert get(database, run_id).status is RunStatus.QUEUED

    def test_leaves_its_own_as_it_is(self, database: Database, home: Path, first: str) -> None:
        run_id = submit(database, home)
        claim(database)
        assert settle(database, first) == HomeChange()
        assert get(database, run_id).status is RunStatus.STARTING

    def test_holds_what_another_home_carries_out_and_has_queued(
        self, database: Database, home: Path, first: str
    ) -> None:
        live, waiting = submit(database, home), submit(database, home)
        ref = claim(database)
        assert settle(database, "second").runs_held == 2
        assert [(run.status, run.reason, run.error) for run in (get(database, live), get(database, waiting))] == [
            (RunStatus.PAUSED, Reason.LOST, UNDER_WAY),
            (RunStatus.PAUSED, Reason.LOST, WAITING),
        ]
        with database.read() as session:
            assert attempts.list_live(session) == []
            assert session.scalar(select(func.count()).select_from(LeaseRow)) == 0
            assert session.get_one(AttemptRow, (ref.run_number, ref.attempt)).reason == Reason.LOST
        with database.write() as session:
            assert not attempts.mark_running(session, ref, 1.0)
        assert settle(database, "second") == HomeChange()

    def test_a_cancel_that_was_accepted_there_holds_here(self, database: Database, home: Path, first: str) -> None:
        run_id = submit(database, home)
        claim(database)
        with database.write() as session:
            runs.request_cancel(session, run_id, LOCAL_ADMINISTRATOR)
        settle(database, "second")
        assert get(database, run_id).status is RunStatus.CANCELLED

    def test_what_is_held_can_be_resumed_here(self, database: Database, home: Path, first: str) -> None:
        run_id = submit(database, home)
        settle(database, "second")
        with database.write() as session:
            runs.resume(session, run_id, LOCAL_ADMINISTRATOR, builders.context(home))
        run = get(database, run_id)
        assert (run.status, run.reason, run.error) == (RunStatus.QUEUED, None, None)

    @pytest.mark.parametrize("at_once", [True, False])
    def test_all_that_is_held_is_taken_over_where_somebody_says_so(
        self, database: Database, home: Path, first: str, at_once: bool
    ) -> None:
        run_id = submit(database, home)
        if not at_once:
            settle(database, "second")
        assert settle(database, "second", take_over=True).runs_resumed == 1
        assert get(database, run_id).status is RunStatus.QUEUED

    def test_external_runs_are_nobodys(self, database: Database, home: Path, first: str) -> None:
        with database.write() as session:
            runs.create(session, builders.external("e"), builders.context(home), LOCAL_ADMINISTRATOR)
        assert settle(database, "second") == HomeChange(is_change=True)

    def test_records_engines_as_ended_and_frees_what_they_held(
        self, database: Database, home: Path, first: str
    ) -> None:
        context = builders.context(home)
        with database.write() as session:
            deployment_id = deployments.create(session, NewDeployment(model_name=TINY), context, LOCAL_ADMINISTRATOR).id
        with database.write() as session:
            assert deployments.claim(session, deployment_id, context) is not None
        assert settle(database, "second").deployments_ended == 1
        with database.read() as session:
            ended = deployments.get(session, deployment_id, LOCAL_ADMINISTRATOR)
            assert deployments.list_live(session) == []
        assert (ended.status, ended.error, ended.port) == (
            DeploymentStatus.FAILED,
            ENGINE_ELSEWHERE,
            None,
        )
