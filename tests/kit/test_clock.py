from datetime import UTC, datetime, timedelta

import pytest

from finery.kit.clock import ClockStepDetector, now_after, utc_now


class Machine:
    def __init__(self) -> None:
        self.wall = datetime(2026, 1, 1, tzinfo=UTC)
        self.up = 100.0

    def pass_by(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.up += seconds


class TestNowAfter:
    def test_is_never_before_what_was(self) -> None:
        ahead = utc_now() + timedelta(hours=1)
        assert now_after(None, ahead) == ahead
        assert now_after(utc_now() - timedelta(hours=1), None) <= utc_now()


class TestSettingsOfClock:
    @pytest.mark.parametrize(
        ("set_by", "found"),
        [(-3600.0, 3600.0), (-86400.0 * 3650, 86400.0 * 3650), (-1.0, 0.0), (0.0, 0.0), (3600.0, 0.0)],
    )
    def test_notices_once_what_was_put_back(self, set_by: float, found: float) -> None:
        machine = Machine()
        settings = ClockStepDetector(lambda: machine.wall, lambda: machine.up)
        machine.pass_by(5.0)
        assert settings.backward_step() == timedelta()
        machine.wall += timedelta(seconds=set_by)
        machine.pass_by(5.0)
        assert settings.backward_step() == timedelta(seconds=found)
        machine.pass_by(5.0)
        assert settings.backward_step() == timedelta()
