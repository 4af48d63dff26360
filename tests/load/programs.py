"""Requests for runs whose programs do what a scenario needs."""

import sys
from pathlib import Path
from typing import Any

SLEEP: dict[str, Any] = {"recipe": "command", "config": {"argv": ["sleep", "600"]}}

_ONCE = "import sys; open(sys.argv[1], 'a').write('x')"
_UNTIL = """
import os, sys, time
open(sys.argv[1], 'a').write('x')
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
"""
_EVENTS = """
import json, os, sys, time
wanted, pause, size, signal = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
while not os.path.exists(signal):
    time.sleep(0.05)
with open(os.environ['FINERY_EVENTS'], 'a', buffering=1) as events:
    for step in range(wanted):
        data = {'step': step, 'filling': 'x' * size}
        events.write(json.dumps({'type': 'progress', 'at': time.time(), 'data': data}) + '\\n')
        time.sleep(pause)
"""


def once(mark: Path) -> dict[str, Any]:
    """Appends a letter to the file `mark` and ends: two letters tell of two executions."""
    return _command(_ONCE, mark)


def until(signal: Path, *, mark: Path) -> dict[str, Any]:
    """Appends a letter to `mark`, then goes on until there is a file `signal`."""
    return _command(_UNTIL, mark, signal)


def events(count: int, *, signal: Path, pause: float = 0.0, size: int = 10) -> dict[str, Any]:
    """Once there is a file `signal`, tells `count` events of `size` letters, with a pause after each."""
    return _command(_EVENTS, count, pause, size, signal)


def _command(program: str, *arguments: object) -> dict[str, Any]:
    # -S: without what a program does not need, it starts in half the time.
    return {"recipe": "command", "config": {"argv": [sys.executable, "-S", "-c", program, *map(str, arguments)]}}
