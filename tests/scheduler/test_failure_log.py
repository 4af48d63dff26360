import logging

import pytest
from sqlalchemy.exc import OperationalError

from finery.scheduler.failure_log import REMIND_SECONDS, FailureLog
from tests.clock import Clock

FULL = OperationalError("INSERT", {}, Exception("database or disk is full"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def failure_log(clock: Clock, caplog: pytest.LogCaptureFixture) -> FailureLog:
    caplog.set_level(logging.INFO)
    return FailureLog(logging.getLogger("tests"), clock)


class TestComplaints:
    def test_the_same_is_said_once_and_its_end(self, failure_log: FailureLog, caplog: pytest.LogCaptureFixture) -> None:
        counts = [failure_log.failed("run r", OSError(24, "Too many open files")) for _ in range(100)]
        failure_log.went_well("run r")
        failure_log.went_well("run r")
        assert counts == list(range(1, 101))
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert "100 failures" in caplog.text

    def test_something_else_is_said_too(self, failure_log: FailureLog, caplog: pytest.LogCaptureFixture) -> None:
        failure_log.failed("run r", OSError(24, "Too many open files"))
        failure_log.failed("run r", ValueError("odd"))
        failure_log.failed("run s", ValueError("odd"))
        assert len(caplog.records) == 3

    def test_once_more_after_a_while(
        self, failure_log: FailureLog, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3):
            failure_log.failed("run r", FULL)
            clock.now += REMIND_SECONDS / 2
        assert len(caplog.records) == 2

    def test_a_shortage_is_one_line(self, failure_log: FailureLog, caplog: pytest.LogCaptureFixture) -> None:
        for error in (FULL, OSError(28, "No space left on device")):
            failure_log.failed(f"run {error}", error)
        assert [record.exc_info for record in caplog.records] == [None, None]
        assert all("\n" not in record.getMessage() for record in caplog.records[1:])

    def test_a_fault_shows_where_it_is(self, failure_log: FailureLog, caplog: pytest.LogCaptureFixture) -> None:
        failure_log.failed("run r", ZeroDivisionError("division by zero"))
        assert caplog.records[0].exc_info is not None
