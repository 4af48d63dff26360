from datetime import timedelta

import pytest

from finery.domain.webhooks.retries import delay_after

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WAITS = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]


class TestDelayAfter:
    def test_nine_more_then_never(self) -> None:
        assert [delay_after(failures, None, lambda: 0.0) for failures in range(1, 11)] == [*WAITS, None]

    def test_up_to_a_fifth_is_added(self) -> None:
        assert delay_after(2, None, lambda: 1.0) == 6 * MINUTE

    @pytest.mark.parametrize(
        ("asked", "delay"),
        [(0.0, 5 * SECOND), (3.0, 5 * SECOND), (90.0, 90 * SECOND), (999_999_999.0, 24 * HOUR)],
    )
    def test_a_receiver_may_ask_for_more(self, asked: float, delay: timedelta) -> None:
        assert delay_after(1, asked, lambda: 0.0) == delay
