"""The Reporter: appends a trainer's events to events.jsonl for the server, and prints a readable log."""

import math
import os
import sys
import time
from pathlib import Path
from typing import Any

from finery.contracts.events import EventData, NoticeData, StageData, TrainerEvent
from finery.kit.redaction import NOTHING, Redactor


class Reporter:
    """Appends events and prints the log; a silent one (of any rank but 0) does neither.

    Each event is one write() to a file opened with O_APPEND, so that a reader sees whole lines.
    """

    def __init__(self, events: Path, *, silent: bool = False, redact: Redactor = NOTHING) -> None:
        self._redact = redact
        self._silent = silent
        self._descriptor = (
            -1 if silent else os.open(events, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        )

    def event(self, data: EventData) -> None:
        """Appends an event. Raises OSError when the disk is full."""
        if self._silent:
            return
        fields = data.as_json()
        if self._redact:
            fields = self._redact.within(fields)
        # JSON has no NaN: pydantic writes such a metric as null.
        line = TrainerEvent(type=data.event_type, at=time.time(), data=fields).model_dump_json().encode() + b"\n"
        if os.write(self._descriptor, line) != len(line):
            raise OSError(28, "No space left on device", "events.jsonl")

    def sync(self) -> None:
        """Makes the disk hold every event so far."""
        if not self._silent:
            os.fsync(self._descriptor)

    def stage(self, stage: str, label: str) -> None:
        self.event(StageData(stage=stage, label=label))
        self.log(label)

    def notice(self, code: str, message: str, *, level: str = "warning", **details: Any) -> None:
        self.event(NoticeData(level=level, code=code, message=message, **details))
        self.log(f"{level}: {message}")

    def log(self, text: str) -> None:
        if not self._silent:
            print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stdout, flush=True)


METRIC_NAMES = {
    "mean_token_accuracy": "token_accuracy",
    "num_tokens": "tokens",
    "rewards_margins": "rewards_margin",
    "rewards_accuracies": "rewards_accuracy",
    "accuracy": "rewards_accuracy",
    "margin": "rewards_margin",
    "completions_mean_length": "completion_length",
    "completions_clipped_ratio": "completions_cut",
    "frac_reward_zero_std": "prompts_without_signal",
}
"""TRL's name of a metric → ours."""


def metrics_of(logs: dict[str, float], *, prefix: str = "") -> dict[str, float]:
    """Returns TRL's metrics under our names: `eval_rewards/margins` → `rewards_margin` for the prefix `eval_`."""
    metrics = {}
    for name, value in logs.items():
        if not name.startswith(prefix):
            continue
        plain = name.removeprefix(prefix).replace("/", "_")
        metrics[METRIC_NAMES.get(plain, plain)] = value
    return metrics


def readable(metrics: dict[str, Any]) -> str:
    return "  ".join(f"{name} {_short(value)}" for name, value in metrics.items() if value is not None)


def _short(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value) and value != int(value):
        return f"{value:.4g}"
    return str(int(value)) if isinstance(value, float) and math.isfinite(value) else str(value)


def resident_bytes() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
