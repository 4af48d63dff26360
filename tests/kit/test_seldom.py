import pytest

from finery.kit.seldom import Seldom


class TestSeldom:
    def test_is_due_once_in_its_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 100.0
        monkeypatch.setattr("finery.kit.seldom.time.monotonic", lambda: now)
        seldom = Seldom(10.0)
        assert [seldom.is_due() for _ in range(3)] == [True, False, False]
        now = 109.9
        assert not seldom.is_due()
        now = 110.0
        assert seldom.is_due()
