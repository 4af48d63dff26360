import time

import pytest

from finery.http.problems import RequestRefused
from finery.http.rates import LOGINS, SETUPS, RateLimit, Rates

TWO = RateLimit("two", 2)


@pytest.fixture
def rates() -> Rates:
    return Rates()


class TestCheck:
    def test_tells_when_to_come_back(self, rates: Rates) -> None:
        rates.check(TWO, "192.0.2.1")
        rates.check(TWO, "192.0.2.1")
        with pytest.raises(RequestRefused) as caught:
            rates.check(TWO, "192.0.2.1")
        problem = caught.value.problem
        assert (problem.status, problem.code) == (429, "too_many_attempts")
        assert 55 <= int(problem.headers["Retry-After"]) <= 60
        assert problem.headers["Retry-After"] in problem.message

    def test_the_window_moves(self, rates: Rates, monkeypatch: pytest.MonkeyPatch) -> None:
        rates.check(TWO, "a")
        rates.check(TWO, "a")
        now = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: now + 61)
        assert rates.is_within(TWO, "a")

    def test_a_clock_that_is_set_changes_nothing(self, rates: Rates, monkeypatch: pytest.MonkeyPatch) -> None:
        rates.check(TWO, "a")
        rates.check(TWO, "a")
        now = time.time()
        monkeypatch.setattr("time.time", lambda: now + 3600)
        assert not rates.is_within(TWO, "a")
        monkeypatch.setattr("time.time", lambda: now - 3600)
        with pytest.raises(RequestRefused, match=r"in (59|60) seconds"):
            rates.check(TWO, "a")

    def test_who_came_long_ago_is_forgotten(self, rates: Rates, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in range(1000):
            rates.check(TWO, f"192.0.2.{number}")
        now = time.monotonic()
        monkeypatch.setattr("time.monotonic", lambda: now + 61)
        rates.check(TWO, "a")
        assert len(vars(rates)["_attempts"]) == 1


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
    def test_who_is_one_client(self, rates: Rates, first: str | None, second: str | None, same: bool) -> None:
        assert rates.is_within(TWO, first)
        assert rates.is_within(TWO, first)
        assert rates.is_within(TWO, second) is not same

    def test_each_limit_counts_alone(self, rates: Rates) -> None:
        while rates.is_within(LOGINS, "a"):
            pass
        assert rates.is_within(SETUPS, "a")
