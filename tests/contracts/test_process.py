"""How an attempt's end is read."""

import signal

import pytest

from finery.contracts.chat_prompts import ENDLESS_TEMPLATE
from finery.contracts.process import Exit, Outcome, reason_of_exit
from finery.contracts.status import Reason
from finery.kit.limits import HANG_SIGNAL


def ended(reason: Reason | None = None, **fields: object) -> Exit:
    outcome = Outcome(reason=reason, message="said") if reason is not None else None
    return Exit.model_validate({"exit_code": None, "started_at": 1.0, "finished_at": 2.0, "outcome": outcome, **fields})


class TestJudge:
    @pytest.mark.parametrize("how", [{"exit_code": 0}, {"exit_code": 1}, {"signal": 9}, {"signal": 11}, {}])
    @pytest.mark.parametrize("reason", [Reason.COMPLETED, Reason.STOPPED, Reason.PAUSED, Reason.ERROR, Reason.OOM])
    def test_a_whole_outcome_is_the_end(self, reason: Reason, how: dict[str, int]) -> None:
        assert reason_of_exit(ended(reason, **how)) == (reason, "said")

    @pytest.mark.parametrize("reason", [Reason.COMPLETED, Reason.STOPPED])
    def test_work_that_was_done_when_its_time_was_up(self, reason: Reason) -> None:
        assert reason_of_exit(ended(reason, timed_out=True))[0] is reason

    @pytest.mark.parametrize("reason", [None, Reason.PAUSED, Reason.ERROR])
    def test_its_time_was_up(self, reason: Reason | None) -> None:
        assert reason_of_exit(ended(reason, timed_out=True, exit_code=0))[0] is Reason.TIMEOUT

    def test_who_was_asked_to_end_before_it_began_has_not_failed(self) -> None:
        assert reason_of_exit(ended(signal=15, terminated=True, started_at=None))[0] is Reason.LOST

    def test_an_end_without_an_account_is_no_success(self) -> None:
        assert reason_of_exit(ended(exit_code=0))[0] is Reason.LOST

    def test_a_template_without_end(self) -> None:
        assert reason_of_exit(ended(signal=HANG_SIGNAL)) == (Reason.ERROR, ENDLESS_TEMPLATE)

    @pytest.mark.parametrize(
        ("number", "reason"),
        [
            (signal.SIGKILL, Reason.KILLED),
            (signal.SIGTERM, Reason.KILLED),
            (signal.SIGUSR1, Reason.KILLED),
            (signal.SIGSEGV, Reason.ERROR),
            (signal.SIGABRT, Reason.ERROR),
            (signal.SIGBUS, Reason.ERROR),
        ],
    )
    def test_who_sent_the_signal(self, number: int, reason: Reason) -> None:
        found, message = reason_of_exit(ended(signal=number))
        assert (found, f"signal {number}" in (message or "")) == (reason, True)
