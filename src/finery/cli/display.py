"""Shows a run's events as they come: a progress bar on a terminal, plain lines elsewhere, nothing for programs."""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Self

from rich.progress import Progress, SpinnerColumn, Task

from finery.cli.loss_curve import BLOCKS, LossCurve
from finery.cli.output import can_print, console, duration, number, printable, size
from finery.cli.progress_line import COARSE_MARKS, FINE_MARKS, LineColumn, Part, bar
from finery.contracts.events import (
    CheckpointData,
    EvaluationData,
    Event,
    IntentData,
    NoticeData,
    ProgressData,
    ProgressEvent,
    SampleData,
    StageData,
    StatusData,
)
from finery.contracts.status import RunStatus
from finery.kit.clock import from_epoch, utc_now

# In seconds: a plain log gets one line of progress in this time, and the last one.
PLAIN_INTERVAL = 2.0


class View:
    """Shows events between `start` and `stop`, or while it is entered, which may happen again. This one shows none."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def show(self, event: Event) -> None:
        pass

    def closing_words(self) -> str:
        """Returns how the loss went, for the last lines; empty where nothing is shown or there was none."""
        return ""


def choose_view(*, quiet: bool) -> View:
    if quiet:
        return View()
    return LiveView() if sys.stdout.isatty() else PlainView()


class PlainView(View):
    """Writes a line for each event; progress is thinned out to one line in `interval` seconds."""

    def __init__(self, write: Callable[[str], None] | None = None, interval: float = PLAIN_INTERVAL) -> None:
        self._write = write or partial(print, flush=True)
        self._interval = interval
        self._last = float("-inf")
        self._pending: str | None = None
        self._curve = LossCurve()
        self._started: float | None = None

    def stop(self) -> None:
        if self._pending is not None:
            self._write(self._pending)
            self._pending = None

    def show(self, event: Event) -> None:
        if isinstance(event, ProgressEvent):
            self._curve.add(event.data.loss)
            words = (f"step {_steps(event.data)}", _percent(event.data), metrics(event.data), self._elapsed(event))
            self._pending = "  ".join(filter(None, words))
            if time.monotonic() - self._last >= self._interval:
                self._last = time.monotonic()
                self.stop()
        elif line := describe(event):
            self._started = self._started or _start_of(event)
            self.stop()
            self._write(line)

    def closing_words(self) -> str:
        return f"loss {_arrow(self._curve.change)}" if self._curve.change else ""

    def _elapsed(self, event: Event) -> str:
        """Returns how long the run had gone on when the event happened, as its own clock tells."""
        return "" if self._started is None else f"after {duration(timedelta(seconds=event.at - self._started))}"


class LiveView(View):
    """Shows a progress bar, and prints a line above it for each other event."""

    def __init__(self) -> None:
        screen = console()
        # Asked before the bar begins, which puts a stream without an encoding in the place of stdout.
        self._draws = can_print(BLOCKS)
        spinner = SpinnerColumn("dots" if self._draws else "line")
        self._progress = Progress(spinner, LineColumn(screen, self._parts), console=screen)
        self._curve = LossCurve()
        self._data = ProgressData()
        self._started: float | None = None
        self._ended: float | None = None
        self._task = self._progress.add_task("queued", total=None)

    def start(self) -> None:
        self._progress.start()

    def stop(self) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        data = event.data
        if isinstance(data, ProgressData):
            self._curve.add(data.loss)
            self._data = data
            self._progress.update(self._task, total=data.total_steps, completed=data.step)
        elif isinstance(data, StageData):
            self._progress.update(self._task, description=_stage(data))
        elif isinstance(data, StatusData):
            self._progress.update(self._task, description=str(data.to))
            self._started = self._started or _start_of(event)
            self._ended = event.at if data.to.is_finished else None
        elif line := describe(event):
            self._progress.console.print(line, markup=False, highlight=False)

    def closing_words(self) -> str:
        return f"loss {_arrow(self._curve.change)}  {self._drawn}".rstrip() if self._curve.change else ""

    @property
    def _drawn(self) -> str:
        return self._curve.drawn if self._draws else ""

    def _parts(self, task: Task) -> list[Part]:
        data = self._data
        rate, speed, memory, rest = _metrics_beside_loss(data)
        is_known = data.step is not None and data.total_steps is not None
        marks = FINE_MARKS if self._draws else COARSE_MARKS
        return [
            # The label names the number of steps, which stands beside it.
            Part(task.description.removesuffix(f", {data.total_steps} steps") if is_known else task.description, 0),
            Part(bar(task.percentage / 100, marks) if is_known else "", 6),
            Part(_steps(data), 1),
            Part(_percent(data), 3),
            Part(self._elapsed, 4),
            Part(_loss(data), 2),
            Part(rate, 8),
            Part(speed, 7),
            Part(memory, 10),
            Part("" if self._ended else rest, 5),
            Part(self._drawn, 9),
        ]

    @property
    def _elapsed(self) -> str:
        """How long the run goes on, or went on, whenever it began to be followed."""
        if self._started is None:
            return ""
        end = utc_now() if self._ended is None else from_epoch(self._ended)
        return duration(end - from_epoch(self._started))


def describe(event: Event) -> str | None:
    """Returns one line about any event but progress, or None for what only programs care about."""
    line = _words(event)
    return printable(line) if line else None


def metrics(data: ProgressData) -> str:
    """Returns the metrics that there are: `loss 1.234  lr 5.0e-03  1200 tokens/s  ETA 42 s`."""
    return "  ".join(filter(None, (_loss(data), *_metrics_beside_loss(data))))


def _loss(data: ProgressData) -> str:
    return "" if data.loss is None else f"loss {number(data.loss)}"


def _metrics_beside_loss(data: ProgressData) -> tuple[str, str, str, str]:
    """Returns the learning rate, the speed, the memory and the time that is left; empty is what is not known."""
    return (
        "" if data.learning_rate is None else f"lr {data.learning_rate:.1e}",
        "" if data.tokens_per_second is None else f"{data.tokens_per_second:.0f} tokens/s",
        "" if data.memory_bytes is None else size(data.memory_bytes),
        "" if data.eta_seconds is None else f"ETA {duration(timedelta(seconds=data.eta_seconds))}",
    )


def _arrow(text: str) -> str:
    return text if can_print(text) else text.replace("→", "->")


def _start_of(event: Event) -> float | None:
    """Returns the time of a run's start, in seconds since 1970, where the event tells of it."""
    return event.at if isinstance(event.data, StatusData) and event.data.to is RunStatus.RUNNING else None


def _percent(data: ProgressData) -> str:
    return f"{data.step / data.total_steps:.0%}" if data.step is not None and data.total_steps else ""


def _steps(data: ProgressData) -> str:
    step, total = data.step, data.total_steps
    return f"{step}/{total}" if total is not None else f"{step if step is not None else ''}"


def _words(event: Event) -> str | None:
    match event.data:
        case StatusData(to=to, reason=reason, message=message):
            return f"{to}{f' ({reason})' if reason else ''}{f': {message}' if message else ''}"
        case IntentData(intent=intent):
            return "the pause is taken back" if intent is None else f"asked to {intent}"
        case StageData() as data:
            return _stage(data)
        case EvaluationData(step=step, loss=loss):
            return f"evaluation at step {step}{'' if loss is None else f': loss {number(loss)}'}"
        case CheckpointData(step=step):
            return f"checkpoint at step {step}"
        case SampleData(step=step, prompt=prompt, text=text):
            return f"sample at step {step}: {prompt} -> {text}"
        case NoticeData(level=level, message=message):
            return f"{level}: {message}"
    return None


def _stage(data: StageData) -> str:
    # A label is for people as it stands, and may name a file; a stage is a word for programs.
    return data.label or (data.stage or "").replace("_", " ")
