import pytest

from finery.kit.log_throttle import LogThrottle


class TestSeldom:
    def test_is_due_once_in_its_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 100.0
        monkeypatch.setattr("finery.kit.log_throttle.time.monotonic", lambda: now)
        seldom = LogThrottle(10.0)
        assert [seldom.is_due() for _ in range(3)] == [True, False, False]
        now = 109.9
        assert not seldom.is_due()
        now = 110.0
        assert seldom.is_due()
