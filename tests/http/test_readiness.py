import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from finery.app.composition import Composition


class TestReadyz:
    def test_while_all_is_well(self, client: TestClient) -> None:
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready"})

    def test_the_database_has_gone(self, client: TestClient, composition: Composition, home: Path) -> None:
        composition.services.database.dispose()
        for path in home.glob("training.db*"):
            path.unlink()
        (home / "training.db").mkdir()
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert client.get("/healthz").status_code == 200

    def test_a_transaction_that_hangs(
        self, client: TestClient, composition: Composition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("finery.http.readiness.STUCK_SECONDS", 0.0)
        with writing(composition):
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert "has held the database" in answer.text
        assert client.get("/readyz").status_code == 200

    def test_a_look_that_hangs_is_shared(
        self, client: TestClient, composition: Composition, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("finery.http.readiness.LOOK_SECONDS", 0.05)
        looks, may_end = [], threading.Event()
        read = composition.services.database.read

        @contextmanager
        def hang() -> Iterator[object]:
            looks.append(1)
            may_end.wait(30)
            with read() as session:
                yield session

        monkeypatch.setattr(composition.services.database, "read", hang)
        assert [client.get("/readyz").status_code for _ in range(3)] == [503] * 3
        may_end.set()
        assert looks == [1]

    def test_a_look_that_fails_late_is_no_traceback(
        self,
        client: TestClient,
        composition: Composition,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr("finery.http.readiness.LOOK_SECONDS", 0.05)
        may_end, has_ended = threading.Event(), threading.Event()

        @contextmanager
        def fail() -> Iterator[object]:
            may_end.wait(30)
            has_ended.set()
            raise OperationalError("SELECT 1", None, Exception("lost connection"))
            yield

        monkeypatch.setattr(composition.services.database, "read", fail)
        assert client.get("/readyz").status_code == 503
        may_end.set()
        assert has_ended.wait(30)
        monkeypatch.undo()
        # The next look takes the place of the one that failed.
        while client.get("/readyz").status_code != 200:
            pass
        gc.collect()
        assert "never retrieved" not in caplog.text


@contextmanager
def writing(composition: Composition) -> Iterator[None]:
    """A transaction in another thread, which has begun and does not end."""
    has_begun, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with composition.services.database.write() as session:
            session.execute(text("SELECT 1"))
            has_begun.set()
            may_end.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert has_begun.wait(30)
    try:
        yield
    finally:
        may_end.set()
        thread.join(60)
