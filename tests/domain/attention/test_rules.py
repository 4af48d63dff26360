"""Each rule: values at which it holds, and values at which it almost does."""

from collections.abc import Sequence
from typing import Any

import pytest

from finery.domain.attention.learning_window import MOST_LOSSES, LearningWindow, LossHistory
from finery.domain.attention.rules import LEAST_DISK_BYTES, RULES, findings_of
from finery.domain.attention.snapshot import LiveRun, Snapshot, WaitingRun
from tests import builders

NOW = 1_000_000.0


def window(
    losses: Sequence[float | None] = (), gradients: Sequence[float] = (), *, last_at: float = NOW, pause: float = 1.0
) -> LearningWindow:
    made = LearningWindow()
    steps: list[dict[str, Any]] = [{"loss": loss} for loss in losses] or [{"grad_norm": norm} for norm in gradients]
    for index, data in enumerate(steps):
        at = last_at - pause * (len(steps) - 1 - index)
        made.add(index + 1, "progress", at, 1, {"step": index + 1, **data})
    return made


def evaluated(*pairs: tuple[float, float]) -> LearningWindow:
    """Pairs of a training loss, told often enough to be the mean of the last ones, and the evaluation's."""
    made = LearningWindow()
    for training, evaluation in pairs:
        for _ in range(20):
            made.add(1, "progress", NOW, 1, {"loss": training})
        made.add(1, "evaluation", NOW, 1, {"loss": evaluation})
    return made


def codes(
    *, recipe: str = "sft", stage: str = "training", lost: int = 0, idle: float = 0.0, attempt: int = 1, **facts: Any
) -> list[str]:
    live = LiveRun(7, attempt, recipe, stage, lost, facts.pop("window", LearningWindow()), idle)
    return found(live=(live,), **facts)


def found(**facts: Any) -> list[str]:
    snapshot = Snapshot(
        at=NOW,
        **{"machine": builders.machine(gpus=1, cpu_slots=2), "free_disk_bytes": LEAST_DISK_BYTES, **facts},
    )
    findings = findings_of(snapshot)
    for finding in findings:
        # What is stored must be told again.
        assert RULES[finding.code].message(finding.values)
    return [finding.code for finding in findings]


def falling(count: int, *, by: float) -> list[float]:
    """Losses that fall by a share of the first over the whole length."""
    return [2.0 - 2.0 * by * index / count for index in range(count)]


class TestLoss:
    def test_not_finite(self) -> None:
        assert codes(window=window([2.0, 1.9, None])) == ["loss_not_finite"]
        assert codes(window=window([2.0, None, 1.9])) == []

    def test_exactly_zero(self) -> None:
        assert codes(window=window([2.0, 0.0, 0.0, 0.0, 0.0, 0.0])) == ["loss_zero"]
        assert codes(window=window([2.0, 0.0, 0.0, 0.0, 0.0, 1e-9])) == []
        assert codes(window=window([0.0] * 4)) == []

    def test_zero_is_how_reinforcement_begins(self) -> None:
        assert codes(recipe="grpo", window=window([0.0] * 200)) == []

    @pytest.mark.parametrize("count", [120, 1000, 5000])
    def test_plateau(self, count: int) -> None:
        assert codes(window=window(falling(count, by=0.005))) == ["loss_plateau"]
        assert codes(window=window(falling(count, by=0.05))) == []

    def test_a_plateau_after_a_fall_is_one(self) -> None:
        assert codes(window=window([*falling(100, by=0.5), *[1.0] * 100])) == ["loss_plateau"]
        assert codes(window=window([*[1.0] * 100, *falling(100, by=0.5)])) == []

    def test_no_plateau_of_few_steps_nor_of_what_is_learned(self) -> None:
        assert codes(window=window([2.0] * 119)) == []
        assert codes(window=window([0.04] * 200)) == []
        assert codes(recipe="grpo", window=window([2.0] * 200)) == []


class TestGradient:
    def test_spike(self) -> None:
        assert codes(window=window(gradients=[0.5] * 50 + [6.0] + [0.5] * 5)) == ["gradient_spike"]
        assert codes(window=window(gradients=[0.5] * 50 + [4.9] + [0.5] * 5)) == []

    def test_goes_after_some_steps(self) -> None:
        assert codes(window=window(gradients=[0.5] * 40 + [6.0] + [0.5] * 20)) == []

    def test_small_gradients_are_no_harm(self) -> None:
        assert codes(window=window(gradients=[0.01] * 50 + [0.9])) == []

    def test_the_first_steps_tell_of_nothing(self) -> None:
        assert codes(window=window(gradients=[0.5] * 29 + [9.0] * 20)) == []


class TestEvaluation:
    def test_rises_while_the_training_loss_falls(self) -> None:
        assert codes(window=evaluated((2.0, 2.0), (1.0, 2.1), (0.5, 2.3))) == ["evaluation_rises"]

    @pytest.mark.parametrize(
        "pairs",
        [
            [(2.0, 2.0), (1.0, 2.1), (0.5, 2.05)],
            [(2.0, 2.0), (1.0, 2.01), (0.5, 2.02)],
            [(2.0, 2.0), (2.1, 2.1), (2.2, 2.3)],
            [(2.0, 2.0), (1.0, 2.3)],
        ],
        ids=["went down again", "within 2 %", "both rise", "twice"],
    )
    def test_almost(self, pairs: list[tuple[float, float]]) -> None:
        assert codes(window=evaluated(*pairs)) == []


class TestSilence:
    def test_after_ten_minutes(self) -> None:
        assert codes(window=window([2.0, 1.9], last_at=NOW - 601)) == ["run_silent"]
        assert codes(window=window([2.0, 1.9], last_at=NOW - 599)) == []

    def test_slow_steps_have_longer(self) -> None:
        assert codes(window=window([2.0, 1.9], last_at=NOW - 2900, pause=300)) == []
        assert codes(window=window([2.0, 1.9], last_at=NOW - 3100, pause=300)) == ["run_silent"]

    def test_saving_may_take_long(self) -> None:
        assert codes(stage="saving", window=window([2.0, 1.9], last_at=NOW - 9000)) == []

    def test_what_lies_between_two_attempts_is_none(self) -> None:
        steps = window([2.0, 1.9, 1.8], last_at=NOW - 7000)
        assert codes(attempt=2, window=steps) == []
        steps.add(4, "progress", NOW - 650, 2, {"step": 4})
        assert codes(attempt=2, window=steps) == []
        steps.add(5, "progress", NOW - 640, 2, {"step": 5})
        assert codes(attempt=2, window=steps) == ["run_silent"]

    def test_idle_devices(self) -> None:
        assert codes(idle=120.0) == ["device_idle"]
        assert codes(idle=119.0) == []
        assert codes(idle=900.0, stage="loading_model") == []


class TestMachine:
    def test_little_disk(self) -> None:
        assert found(free_disk_bytes=LEAST_DISK_BYTES - 1) == ["disk_low"]
        assert found() == []

    def test_lost_process(self) -> None:
        assert codes(lost=1) == ["worker_lost"]

    def test_a_run_that_is_too_large(self) -> None:
        assert found(too_large=(WaitingRun(1, 2, is_gpu=True), WaitingRun(2, 3, is_gpu=False))) == ["cannot_start"] * 2


class TestLossHistory:
    def test_holds_a_bounded_picture_of_the_whole(self) -> None:
        history = LossHistory()
        for loss in range(100_000):
            history.add(float(loss))
        assert len(history.means) < MOST_LOSSES
        assert history.means[0] == pytest.approx((history.stretch - 1) / 2)
        assert history.means[-1] > 99_000
