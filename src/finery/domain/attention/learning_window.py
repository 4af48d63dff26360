"""A bounded summary of a run's metrics, kept while it lives and fed with its new events."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from finery.contracts.events import EventType
from finery.kit.numbers import is_finite_number

MOST_LOSSES = 240
RECENT_LOSSES, RECENT_GRADIENTS, RECENT_EVALUATIONS, RECENT_TIMES = 20, 100, 4, 20


@dataclass(frozen=True)
class Evaluation:
    loss: float
    training_loss: float
    """The mean of the last training losses before it."""


@dataclass
class LossHistory:
    """All losses of a run as the means of equally long stretches, which double when they become too many."""

    means: list[float] = field(default_factory=list)
    stretch: int = 1
    _open: list[float] = field(default_factory=list)

    def add(self, loss: float) -> None:
        self._open.append(loss)
        if len(self._open) < self.stretch:
            return
        self.means.append(mean(self._open))
        self._open.clear()
        if len(self.means) == MOST_LOSSES:
            self.means = [mean(self.means[index : index + 2]) for index in range(0, MOST_LOSSES, 2)]
            self.stretch *= 2


@dataclass
class LearningWindow:
    sequence: int = 0
    """The number of the last event in it."""
    losses: LossHistory = field(default_factory=LossHistory)
    recent_losses: deque[float | None] = field(default_factory=lambda: deque(maxlen=RECENT_LOSSES))
    """None stands for NaN and infinity, which JSON does not have."""
    gradients: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_GRADIENTS))
    evaluations: deque[Evaluation] = field(default_factory=lambda: deque(maxlen=RECENT_EVALUATIONS))
    attempt: int = 0
    """The attempt that told the last step."""
    times: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_TIMES))
    """When that attempt told its last steps, in seconds since 1970."""
    step: int | None = None

    def add(self, sequence: int, type: str, at: float, attempt: int, data: Mapping[str, Any]) -> None:
        self.sequence = max(self.sequence, sequence)
        if type == EventType.EVALUATION:
            self._add_evaluation(data)
        elif type == EventType.PROGRESS:
            self._add_step(at, attempt, data)

    @property
    def known_losses(self) -> list[float]:
        return [loss for loss in self.recent_losses if loss is not None]

    def _add_step(self, at: float, attempt: int, data: Mapping[str, Any]) -> None:
        if attempt != self.attempt:
            # A pause, a wait in the queue or a lost process lies between: it is no silence.
            self.attempt = attempt
            self.times.clear()
        self.times.append(at)
        if isinstance(step := data.get("step"), int):
            self.step = step
        if "loss" in data:
            loss = _number(data["loss"])
            self.recent_losses.append(loss)
            if loss is not None:
                self.losses.add(loss)
        if (gradient := _number(data.get("grad_norm"))) is not None:
            self.gradients.append(gradient)

    def _add_evaluation(self, data: Mapping[str, Any]) -> None:
        loss = _number(data.get("loss"))
        if loss is not None and self.known_losses:
            self.evaluations.append(Evaluation(loss, mean(self.known_losses)))


def _number(value: object) -> float | None:
    return float(value) if is_finite_number(value) else None
