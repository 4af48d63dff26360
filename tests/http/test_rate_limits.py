import time

import pytest

from finery.http.problems import RequestRefused
from finery.http.rate_limits import LOGINS, SETUPS, RateLimit, RateLimits

TWO = RateLimit("two", 2)


@pytest.fixture
def rate_limits() -> RateLimits:
    return RateLimits()


class TestCheck:
    def test_tells_when_to_come_back(self, rate_limits: RateLimits) -> None:
        rate_limits.check(TWO, "192.0.2.1")
        rate_limits.check(TWO, "192.0.2.1")
        with pytest.raises(RequestRefused) as caught:
            rate_limits.check(TWO, "192.0.2.1")
        problem = caught.value.problem
        assert (problem.status, problem.code) == (429, "too_many_attempts")
        assert 55 <= int(problem.headers["Retry-After"]) <= 60
        assert problem.headers["Retry-After"] in problem.message

    def test_the_window_moves(self, rate_limits: RateLimits, monkeypatch: pytest.MonkeyPatch) -> None:
        rate_limits.check(TWO, "a")
        rate_limits.check(TWO, "a")
        now = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: now + 61)
        assert rate_limits.is_within(TWO, "a")

    def test_a_clock_that_is_set_changes_nothing(
        self, rate_limits: RateLimits, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rate_limits.check(TWO, "a")
        rate_limits.check(TWO, "a")
        now = time.time()
        monkeypatch.setattr("time.time", lambda: now + 3600)
        assert not rate_limits.is_within(TWO, "a")
        monkeypatch.setattr("time.time", lambda: now - 3600)
        with pytest.raises(RequestRefused, match=r"in (59|60) seconds"):
            rate_limits.check(TWO, "a")

    def test_who_came_long_ago_is_forgotten(self, rate_limits: RateLimits, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(1000):
            rate_limits.check(TWO, f"192.0.2.{number}")
        now = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: now + 61)
        rate_limits.check(TWO, "a")
        assert len(vars(rate_limits)["_attempts"]) == 1


class TestIsWithin:
    @pytest.mark.parametrize(
        ("first", "second", "same"),
        [
            ("192.0.2.1", "192.0.2.1", True),
            ("192.0.2.1", "192.0.2.2", False),
            ("192.0.2.1", "::ffff:192.0.2.1", True),
            ("2001:db8::1", "2001:db8::ffff:2", True),
            ("2001:db8::1", "2001:db8:0:1::1", False),
            (None, None, True),
            (None, "192.0.2.1", False),
            ("0b6a0c4e", "0b6a0c4f", False),
        ],
    )
    def test_who_is_one_client(
        self, rate_limits: RateLimits, first: str | None, second: str | None, same: bool
    ) -> None:
        assert rate_limits.is_within(TWO, first)
        assert rate_limits.is_within(TWO, first)
        assert rate_limits.is_within(TWO, second) is not same

    def test_each_limit_counts_alone(self, rate_limits: RateLimits) -> None:
        while rate_limits.is_within(LOGINS, "a"):
            pass
        assert rate_limits.is_within(SETUPS, "a")
