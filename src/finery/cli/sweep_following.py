"""Follows a sweep to its end for `finery train` and `finery sweeps monitor`: a line for each run, and the best."""

import sys
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from finery.cli.exit_codes import ExitCode
from finery.cli.output import number, print_json, printable
from finery.cli.run_following import ask_on_interrupt
from finery.client import FineryClient, ServerUnreachable
from finery.contracts.status import RunStatus
from finery.contracts.sweeps import SweepDetails, SweepRun

if TYPE_CHECKING:
    from rich.live import Live

LOOK_SECONDS = 1.0
AWAY_SECONDS = 300.0
"""How long a server that went away is waited for."""


class SweepView:
    """Shows a sweep's runs; in a pipe, a line whenever a run's state changes."""

    def __init__(self) -> None:
        self._statuses: dict[str, RunStatus] = {}

    def entered(self) -> AbstractContextManager[object]:
        return nullcontext()

    def show(self, sweep: SweepDetails) -> None:
        for each in sweep.runs:
            if self._statuses.get(each.run.uid) is not each.run.status:
                self._statuses[each.run.uid] = each.run.status
                print(printable(line_of(each, sweep.ranked_by)), flush=True)


class SilentView(SweepView):
    def show(self, sweep: SweepDetails) -> None:
        pass


class LiveView(SweepView):
    """On a terminal: one line for each run, which changes in its place."""

    def __init__(self) -> None:
        self._live: Live | None = None

    def entered(self) -> AbstractContextManager[object]:
        from rich.live import Live

        from finery.cli.output import console

        self._live = Live(console=console(), auto_refresh=False)
        return self._live

    def show(self, sweep: SweepDetails) -> None:
        from rich.text import Text

        if self._live is not None:
            lines = (printable(line_of(each, sweep.ranked_by)) for each in sweep.runs)
            self._live.update(Text("\n".join(lines)), refresh=True)


def follow_sweep(client: FineryClient, sweep_id: str, *, as_json: bool) -> ExitCode:
    """Shows a sweep until all of its runs have ended or are paused, and says which is the best.

    On a terminal Ctrl-C asks what to do; elsewhere it leaves the runs alone.
    """
    view = SilentView() if as_json else LiveView() if sys.stdout.isatty() else SweepView()
    while True:
        try:
            with view.entered():
                sweep = _watched(client, sweep_id, view)
            return _report(sweep, as_json=as_json)
        except KeyboardInterrupt:
            choice = ask_on_interrupt("all runs")
            if choice == "detach":
                print(f"The runs go on; come back with `finery sweeps monitor {sweep_id}`", file=sys.stderr)
                return ExitCode.INTERRUPTED
            if choice == "cancel":
                client.sweeps.cancel(sweep_id)


def line_of(each: SweepRun, metric: str) -> str:
    """Returns what is told of a run in one line."""
    run = each.run
    share = f" {run.progress.fraction:.0%}" if run.status is RunStatus.RUNNING else ""
    words = [run.id, run.name or "", f"{run.status}{share}"]
    if each.score is not None:
        words.append(f"{metric} {number(each.score)}")
    if run.error:
        words.append(run.error)
    return "  ".join([*filter(None, words), *(["← best"] if each.is_best else [])])


def best_line(sweep: SweepDetails) -> str:
    """Returns one line about the best run, or that there is none."""
    for each in sweep.runs:
        if each.is_best and each.score is not None:
            return f"Best: run {each.run.id} ({each.run.name}), {sweep.ranked_by} {number(each.score)}"
    return f"No run has succeeded with a value of {sweep.ranked_by}"


def _watched(client: FineryClient, sweep_id: str, view: SweepView) -> SweepDetails:
    lost_since: float | None = None
    while True:
        try:
            sweep = client.sweeps.get(sweep_id)
        except ServerUnreachable:
            lost_since = lost_since or time.monotonic()
            if time.monotonic() - lost_since > AWAY_SECONDS:
                raise
        else:
            lost_since = None
            view.show(sweep)
            if _is_over(each.run.status for each in sweep.runs):
                return sweep
        time.sleep(LOOK_SECONDS)


def _is_over(statuses: Iterable[RunStatus]) -> bool:
    return all(status.is_finished or status is RunStatus.PAUSED for status in statuses)


def _report(sweep: SweepDetails, *, as_json: bool) -> ExitCode:
    if as_json:
        print_json(sweep)
    else:
        print(printable(best_line(sweep)))
    return exit_code_of(sweep)


def exit_code_of(sweep: SweepDetails) -> ExitCode:
    """Returns the worst of the runs' ends: failed, cancelled, paused, succeeded."""
    ends = {each.run.status for each in sweep.runs}
    worst = {
        RunStatus.FAILED: ExitCode.FAILED,
        RunStatus.CANCELLED: ExitCode.CANCELLED,
        RunStatus.PAUSED: ExitCode.PAUSED,
    }
    return next((code for status, code in worst.items() if status in ends), ExitCode.SUCCEEDED)
