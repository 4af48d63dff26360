"""Follows a run to its end for `finery train` and `finery runs monitor`, and says how it ended."""

import select
import sys
from datetime import timedelta

from finery.cli.display import choose_view
from finery.cli.exit_codes import EXIT_OF_STATUS, ExitCode
from finery.cli.output import duration, print_json, printable
from finery.client import FineryClient
from finery.contracts.events import StatusEvent
from finery.contracts.run import Run
from finery.contracts.status import RunStatus

LOOK_SECONDS = 0.2


def track(client: FineryClient, run_id: str, *, as_json: bool) -> ExitCode:
    """Shows a run until it has finished or is paused, and says how that went.

    On a terminal Ctrl-C asks what to do; elsewhere it leaves the run alone."""
    view = choose_view(quiet=as_json)
    seen = 0
    while True:
        try:
            with view:
                for event in client.follow(run_id, after=seen):
                    seen = event.sequence
                    view.show(event)
                    paused = isinstance(event, StatusEvent) and event.data.to is RunStatus.PAUSED
                    # The event may be an old one, of a run that somebody has resumed since.
                    if paused and client.get_run(run_id).status is RunStatus.PAUSED:
                        break
            return _report(client.get_run(run_id), view.closing_words(), as_json=as_json)
        except KeyboardInterrupt:
            choice = ask_on_interrupt("the run")
            if choice == "detach":
                print(f"Run {run_id} goes on; come back with `finery runs monitor {run_id}`", file=sys.stderr)
                return ExitCode.INTERRUPTED
            if choice == "cancel":
                client.cancel_run(run_id)


def summary(run: Run) -> str:
    """Returns one line about a run that has finished or is paused, with the next thing to do."""
    if run.status is RunStatus.SUCCEEDED:
        taken = run.finished_at - run.started_at if run.started_at and run.finished_at else timedelta()
        place = f"; its output is {run.output_dir}" if run.output_dir and run.model_name else ""
        return f"Run {run.id} succeeded after {duration(taken)}{place}"
    if run.status is RunStatus.PAUSED:
        return f"Run {run.id} is paused: `finery runs resume {run.id}` lets it go on"
    if run.status is RunStatus.FAILED:
        why = f" ({run.reason}): {run.error}" if run.error else f" ({run.reason})"
        return f"Run {run.id} failed{why}. Its log: `finery runs logs {run.id}`"
    return f"Run {run.id} is {run.status}"


def warnings_of(run: Run) -> list[str]:
    """Returns a line for each warning."""
    return [f"warning ({warning.code}): {warning.message}" for warning in run.warnings]


def _report(run: Run, loss: str, *, as_json: bool) -> ExitCode:
    if as_json:
        print_json(run)
        return EXIT_OF_STATUS[run.status]
    if loss:
        print(loss)
    for line in warnings_of(run):
        print(printable(line))
    if run.status is RunStatus.FAILED:
        print(f"finery: {printable(summary(run))}", file=sys.stderr)
    else:
        print(printable(summary(run)))
        if run.status is RunStatus.SUCCEEDED and _generates(run.recipe):
            print(f"Talk to it: finery chat {run.id}")
    return EXIT_OF_STATUS[run.status]


def _generates(recipe: str) -> bool:
    # The recipes take a quarter of a second to import, which other commands need not wait for.
    from finery.contracts.recipes import RECIPES

    return recipe in RECIPES and RECIPES[recipe].generates


def ask_on_interrupt(what: str) -> str:
    """Returns what Ctrl-C means: detach, cancel or go on. A second Ctrl-C, or the end of the input, detaches."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "detach"
    words = {"d": "detach", "c": "cancel", "g": "go on"}
    try:
        while True:
            print(f"\n[d]etach, [c]ancel {what}, or [g]o on? ", end="", file=sys.stderr, flush=True)
            # A Ctrl-C in the instant before a read begins would be seen only once the read ends.
            while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
                pass
            answer = sys.stdin.readline()
            if not answer:
                return "detach"
            if choice := words.get(answer.strip().lower()[:1]):
                return choice
    except KeyboardInterrupt:
        return "detach"
