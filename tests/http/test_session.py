import errno
import sqlite3
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError, ProgrammingError
from starlette.testclient import TestClient

from finery.app.composition import Composition

JOB = {"job_id": "a", "model_name": "m", "dataset": "d"}


class TestWriteSession:
    def test_committed_before_the_answer(self, client: TestClient, composition: Composition) -> None:
        seen = composition.services.notifier.count
        client.post("/jobs", json=JOB)
        assert composition.services.notifier.count == seen + 1
        assert client.get("/jobs/a").status_code == 200

    def test_a_refused_request_leaves_nothing(self, client: TestClient, composition: Composition) -> None:
        client.post("/jobs", json=JOB)
        seen = composition.services.notifier.count
        assert client.post("/jobs", json=JOB).status_code == 409
        assert composition.services.notifier.count == seen

    def test_failure_of_the_commit_is_told(self, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(name: str) -> None:
            raise OperationalError("COMMIT", {}, sqlite3.OperationalError("database is locked"))

        monkeypatch.setattr("finery.http.session.failpoint", fail)
        answer = client.post("/jobs", json=JOB)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
        assert "try again" in answer.json()["detail"]
        assert client.get("/jobs/a").status_code == 404


class TestSpentReserve:
    def test_nothing_new_is_taken_and_what_ends_gets_through(
        self, client: TestClient, composition: Composition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client.post("/jobs", json=JOB)
        monkeypatch.setattr(composition.services.database.reserve, "is_spent", lambda: True)
        assert client.post("/jobs", json={**JOB, "job_id": "b"}).status_code == 507
        assert client.get("/jobs/b").status_code == 404
        assert client.post("/jobs/a/cancel").status_code == 200


class TestDatabaseTrouble:
    def test_gone(self, client: TestClient, home: Path) -> None:
        client.app.state.services.database.dispose()  # type: ignore[attr-defined]
        for path in home.glob("training.db*"):
            path.unlink()
        (home / "training.db").mkdir()
        answer = client.get("/api/v1/runs")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
        assert answer.json()["error"]["code"] == "unavailable"

    @pytest.mark.parametrize(
        ("error", "status", "code"),
        [
            (OSError(errno.ENOSPC, "full"), 507, "disk_full"),
            (OSError(errno.EMFILE, "files"), 503, "unavailable"),
            (OSError(errno.EROFS, "inside: secret"), 503, "unavailable"),
            (OperationalError("x", {}, sqlite3.OperationalError("database or disk is full")), 507, "disk_full"),
            (RuntimeError("inside: secret"), 500, "internal_error"),
            (OSError(errno.EIO, "inside: secret"), 500, "internal_error"),
            (ProgrammingError("x", {}, sqlite3.ProgrammingError("inside: secret")), 500, "internal_error"),
        ],
    )
    def test_kinds(
        self,
        app: FastAPI,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        error: Exception,
        status: int,
        code: str,
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("finery.domain.runs.list_page", fail)
        client = TestClient(
            app, base_url="http://127.0.0.1:8001", client=("127.0.0.1", 5), raise_server_exceptions=False
        )
        with client:
            answer = client.get("/api/v1/runs")
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert "secret" not in answer.text
        # uvicorn logs what Starlette does not know how to answer.
        is_told_elsewhere = isinstance(error, RuntimeError)
        assert ("secret" in caplog.text) is (status == 500 and not is_told_elsewhere)
