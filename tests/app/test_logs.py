import io
import logging
import sys

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from finery.app.logs import CLIENTS_LOGGER, REPEATED_SECONDS, RepetitionFilter, configure_log
from finery.http.request_ids import RequestIds
from tests.clock import Clock


def record(message: str, name: str = CLIENTS_LOGGER, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, (), None)


class TestConfigureLog:
    def test_what_a_request_causes_has_its_id(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            logging.getLogger("alembic").error("of a request")
            await Response()(scope, receive, send)

        said = io.StringIO()
        monkeypatch.setattr(sys, "stderr", said)
        monkeypatch.setattr(logging.root, "handlers", [])
        for name in (None, "alembic", "sqlalchemy.pool"):
            monkeypatch.setattr(logging.getLogger(name), "level", logging.getLogger(name).level)
        configure_log("warning")
        logging.getLogger("alembic").error("of none")
        TestClient(RequestIds(app)).get("/", headers={"X-Request-Id": "mine-1"})
        assert "ERROR alembic: of none\n" in said.getvalue()
        assert "ERROR alembic: [mine-1] of a request\n" in said.getvalue()


class TestRepetitionFilter:
    def test_once_a_minute_with_a_count(self) -> None:
        clock = Clock()
        repetition = RepetitionFilter(clock)
        assert [repetition.filter(record("malformed")) for _ in range(1500)] == [True, *[False] * 1499]
        clock.now += REPEATED_SECONDS
        again = record("malformed")
        assert repetition.filter(again)
        assert again.getMessage() == "malformed (1499 more since the last time)"

    def test_each_message_for_itself(self) -> None:
        repetition = RepetitionFilter(Clock())
        assert repetition.filter(record("malformed"))
        assert repetition.filter(record("upgrade"))

    def test_what_is_not_of_clients_or_worse_is_all_told(self) -> None:
        repetition = RepetitionFilter(Clock())
        assert all(repetition.filter(record("lost", name="finery.scheduler")) for _ in range(3))
        assert all(repetition.filter(record("trace", level=logging.ERROR)) for _ in range(3))

    def test_what_it_remembers_is_bounded(self) -> None:
        repetition = RepetitionFilter(Clock())
        for number in range(10_000):
            repetition.filter(record(f"message {number}"))
        assert len(repetition._due) <= 100
