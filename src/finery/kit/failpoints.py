"""Failpoints: named places where a test may kill the process or make it wait; no-ops unless the environment arms them.

`FINERY_FAILPOINTS="runs.claimed=kill,watch.stored=sleep:0.5"` arms two. Actions: `kill` (SIGKILL to itself),
`raise` (OSError) and `sleep:SECONDS`. With `FINERY_FAILPOINTS_ONCE=FILE` each fires only once over all processes
that share the file, so that a restarted server gets past the place that killed it.
"""

import os
import signal
import time
from pathlib import Path

FAILPOINTS = frozenset(
    {
        *("runs.before_commit", "runs.accepted"),
        *("submit.claimed", "submit.rendered", "submit.submitted", "submit.recorded"),
        *("watch.read", "watch.stored", "watch.exit_seen", "watch.finished"),
        *("stop.before_signal", "stop.signalled"),
        "boot.reconciled",
        *("webhooks.fanned_out", "webhooks.claimed", "webhooks.sent"),
        *("shim.locked", "shim.started", "shim.exited", "shim.before_exit_file"),
    }
)


def failpoint(name: str) -> None:
    """Carries out the action that is armed for `name`. Raises KeyError for a name that is not in FAILPOINTS."""
    armed = os.environ.get("FINERY_FAILPOINTS")
    if not armed:
        return
    if name not in FAILPOINTS:
        raise KeyError(f"failpoint {name!r} is not declared in {__name__}")
    actions = dict(part.split("=", 1) for part in armed.split(",") if "=" in part)
    if name in actions and _first_time(name):
        _act(actions[name])


def _first_time(name: str) -> bool:
    once = os.environ.get("FINERY_FAILPOINTS_ONCE")
    if not once:
        return True
    marker = Path(f"{once}.{name}")
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _act(action: str) -> None:
    if action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "raise":
        raise OSError("failpoint")
    elif action.startswith("sleep:"):
        time.sleep(float(action.removeprefix("sleep:")))
    else:
        raise ValueError(f"failpoint action {action!r} is not one of kill, raise, sleep:SECONDS")
