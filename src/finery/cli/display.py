"""How a run's events look: a progress bar on a terminal, plain lines elsewhere, nothing for programs."""

import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from finery.cli.output import console, duration, printable, size
from finery.contracts.events import Event, EventType

# A plain log gets one line of progress in so many seconds, and the last one.
PLAIN_INTERVAL = 2.0


class View(Protocol):
    """Shows events while it is entered; it may be left and entered again."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event) -> None: ...


def choose_view(*, quiet: bool) -> View:
    if quiet:
        return SilentView()
    return LiveView() if sys.stdout.isatty() else PlainView()


class SilentView:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, event: Event) -> None:
        pass


class PlainView:
    def __init__(self, write: Callable[[str], None] | None = None, interval: float = PLAIN_INTERVAL) -> None:
        self._write = write or _print_line
        self._interval = interval
        self._last = float("-inf")
        self._held: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def show(self, event: Event) -> None:
        if event.type is EventType.PROGRESS:
            self._held = f"step {_steps(event.data)}  {figures(event.data)}"
            if time.monotonic() - self._last >= self._interval:
                self._last = time.monotonic()
                self._release()
        elif line := describe(event):
            self._release()
            self._write(line)

    def _release(self) -> None:
        if self._held is not None:
            self._write(self._held)
            self._held = None


class LiveView:
    def __init__(self) -> None:
        self._progress = self._fresh()
        self._task = self._progress.add_task("queued", total=None, steps="", figures="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, event: Event) -> None:
        data = event.data
        if event.type is EventType.PROGRESS:
            steps = _steps(data)
            total, step = data.get("total_steps"), data.get("step")
            self._progress.update(self._task, total=total, completed=step, steps=steps, figures=figures(data))
        elif event.type is EventType.STAGE:
            self._progress.update(self._task, description=_stage(data))
        elif event.type is EventType.STATUS:
            self._progress.update(self._task, description=str(data["to"]))
        elif line := describe(event):
            self._progress.console.print(line, markup=False, highlight=False)

    def _fresh(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[steps]}", markup=False),
            TextColumn("{task.fields[figures]}", markup=False),
            console=console(),
        )


def describe(event: Event) -> str | None:
    """One line about anything but progress; None for what only programs care about."""
    describer = DESCRIBERS.get(event.type)
    line = describer(event.data) if describer else None
    return printable(line) if line else None


def figures(data: Mapping[str, Any]) -> str:
    """`loss 1.234  lr 5.0e-03  1200 tokens/s  ETA 42 s`: those that there are."""
    parts = [
        ("loss", "loss {:.4g}"),
        ("eval_loss", "eval loss {:.4g}"),
        ("learning_rate", "lr {:.1e}"),
        ("tokens_per_second", "{:.0f} tokens/s"),
    ]
    words = [form.format(data[name]) for name, form in parts if _is_number(data.get(name))]
    if _is_number(data.get("memory_bytes")):
        words.append(size(data["memory_bytes"]))
    if _is_number(data.get("eta_seconds")):
        words.append(f"ETA {duration(timedelta(seconds=data['eta_seconds']))}")
    return "  ".join(words)


def _steps(data: Mapping[str, Any]) -> str:
    step, total = data.get("step"), data.get("total_steps")
    return f"{step}/{total}" if total is not None else f"{step if step is not None else ''}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _print_line(line: str) -> None:
    print(line, flush=True)


def _stage(data: Mapping[str, Any]) -> str:
    return str(data.get("label") or data.get("stage", "")).replace("_", " ")


def _status(data: Mapping[str, Any]) -> str:
    reason = f" ({data['reason']})" if data.get("reason") else ""
    message = f": {data['message']}" if data.get("message") else ""
    return f"{data['to']}{reason}{message}"


def _evaluation(data: Mapping[str, Any]) -> str:
    loss = data.get("loss")
    return f"evaluation at step {data.get('step')}" + (f": loss {loss:.4g}" if _is_number(loss) else "")


def _sample(data: Mapping[str, Any]) -> str:
    return f"sample at step {data.get('step')}: {data.get('prompt')} -> {data.get('text')}"


DESCRIBERS: dict[EventType, Callable[[Mapping[str, Any]], str]] = {
    EventType.STATUS: _status,
    EventType.INTENT: lambda data: f"asked to {data['intent']}",
    EventType.STAGE: _stage,
    EventType.EVALUATION: _evaluation,
    EventType.CHECKPOINT: lambda data: f"checkpoint at step {data.get('step')}",
    EventType.SAMPLE: _sample,
    EventType.NOTICE: lambda data: f"{data.get('level', 'info')}: {data.get('message', '')}",
}
