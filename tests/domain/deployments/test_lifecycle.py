from datetime import timedelta
from pathlib import Path

import pytest

from finery.contracts.deployment import DeploymentStatus, NewDeployment
from finery.contracts.permissions import LOCAL_ADMINISTRATOR
from finery.db import Database
from finery.domain import deployments
from finery.domain.context import DomainContext
from finery.domain.deployments import lifecycle
from finery.kit.clock import utc_now
from tests.domain.deployments.serving import end, ensure, get, live, make_context, start

TINY = "finery/tiny-llama"


def deploy(database: Database, context: DomainContext) -> str:
    with database.write() as session:
        return deployments.create(session, NewDeployment(model_name=TINY), context, LOCAL_ADMINISTRATOR).id


class TestEnd:
    def test_what_ran_by_hand_comes_back_later_each_time(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment_id = deploy(database, context)
        for crash in range(5):
            assert start(database, deployment_id, context) == "ram"
            port = get(database, deployment_id).port
            assert end(database, deployment_id, f"crash {crash}")
            found = live(database, deployment_id)
            assert (found.deployment.status, found.deployment.error) == (DeploymentStatus.STARTING, f"crash {crash}")
            assert (found.attempt, found.token, found.handle) == (crash + 2, None, None)
            assert found.deployment.port != port
            assert found.restart_at is not None
            wait = (found.restart_at - found.since).total_seconds()
            assert wait == pytest.approx(2.0**crash)
        start(database, deployment_id, context)
        assert get(database, deployment_id).error is None
        assert not end(database, deployment_id, "the last words")
        found_at_last = get(database, deployment_id)
        assert (found_at_last.status, found_at_last.error) == (DeploymentStatus.FAILED, "the last words")

    def test_old_crashes_do_not_count(self, database: Database, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        context = make_context(home)
        deployment_id = deploy(database, context)
        for crash in range(7):
            now = utc_now() + timedelta(minutes=11 * crash)
            monkeypatch.setattr(lifecycle, "utc_now", lambda now=now: now)
            start(database, deployment_id, context)
            assert end(database, deployment_id)

    def test_one_that_never_ran_has_failed(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment_id = deploy(database, context)
        with database.write() as session:
            assert deployments.claim(session, deployment_id, context) is not None
        assert not end(database, deployment_id, "no such model")
        assert get(database, deployment_id).error == "no such model"

    def test_one_on_demand_has_failed(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment_id = ensure(database, TINY, context).id
        start(database, deployment_id, context)
        assert not end(database, deployment_id)
        assert get(database, deployment_id).status is DeploymentStatus.FAILED

    def test_one_that_was_to_stop_has_stopped(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment_id = deploy(database, context)
        start(database, deployment_id, context)
        with database.write() as session:
            deployments.request_stop(session, deployment_id, LOCAL_ADMINISTRATOR)
        assert not end(database, deployment_id)
        found = get(database, deployment_id)
        assert (found.status, found.error) == (DeploymentStatus.STOPPED, None)

    def test_an_older_token_changes_nothing(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment_id = deploy(database, context)
        start(database, deployment_id, context)
        with database.write() as session:
            assert not deployments.end(session, deployment_id, "older", "gone")
        assert get(database, deployment_id).status is DeploymentStatus.RUNNING


class TestUnload:
    def test_not_what_was_deployed_by_hand(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment_id = deploy(database, context)
        start(database, deployment_id, context)
        with database.write() as session:
            assert not deployments.unload(session, deployment_id, 0.0, context)
        assert context.live.in_use.begin(deployment_id)


class TestNoteUses:
    def test_is_shown(self, database: Database, home: Path) -> None:
        context = make_context(home)
        deployment_id = ensure(database, TINY, context).id
        context.live.in_use.touch(deployment_id)
        with database.write() as session:
            deployments.note_uses(session, context.live.in_use.take_uses())
        assert get(database, deployment_id).last_used_at is not None
