import logging

import pytest
from sqlalchemy.exc import OperationalError

from finery.scheduler.complaints import REMIND_SECONDS, Complaints
from tests.clock import Clock

FULL = OperationalError("INSERT", {}, Exception("database or disk is full"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def complaints(clock: Clock, caplog: pytest.LogCaptureFixture) -> Complaints:
    caplog.set_level(logging.INFO)
    return Complaints(logging.getLogger("tests"), clock)


class TestComplaints:
    def test_the_same_is_said_once_and_its_end(self, complaints: Complaints, caplog: pytest.LogCaptureFixture) -> None:
        counts = [complaints.failed("run r", OSError(24, "Too many open files")) for _ in range(100)]
        complaints.went_well("run r")
        complaints.went_well("run r")
        assert counts == list(range(1, 101))
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert "100 failures" in caplog.text

    def test_something_else_is_said_too(self, complaints: Complaints, caplog: pytest.LogCaptureFixture) -> None:
        complaints.failed("run r", OSError(24, "Too many open files"))
        complaints.failed("run r", ValueError("odd"))
        complaints.failed("run s", ValueError("odd"))
        assert len(caplog.records) == 3

    def test_once_more_after_a_while(
        self, complaints: Complaints, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(3):
            complaints.failed("run r", FULL)
            clock.now += REMIND_SECONDS / 2
        assert len(caplog.records) == 2

    def test_a_shortage_is_one_line(self, complaints: Complaints, caplog: pytest.LogCaptureFixture) -> None:
        for error in (FULL, OSError(28, "No space left on device")):
            complaints.failed(f"run {error}", error)
        assert [record.exc_info for record in caplog.records] == [None, None]
        assert all("\n" not in record.getMessage() for record in caplog.records[1:])

    def test_a_fault_shows_where_it_is(self, complaints: Complaints, caplog: pytest.LogCaptureFixture) -> None:
        complaints.failed("run r", ZeroDivisionError("division by zero"))
        assert caplog.records[0].exc_info is not None
