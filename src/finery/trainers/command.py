"""`command`: any program, minded like a training. Its output is the run's log; its exit code decides."""

import math
import os
import signal
import subprocess
import time

from finery.contracts.layout import CONTROL_PAUSE, CONTROL_STOP
from finery.contracts.process import Outcome
from finery.contracts.recipes import CommandConfig
from finery.contracts.status import Reason
from finery.trainers.attempt import Attempt

POLL_SECONDS = 0.1
GRACE_SECONDS = 30.0


def train(attempt: Attempt) -> Outcome:
    """Start the program and wait for it; `stop` and SIGTERM reach it as SIGTERM."""
    config = CommandConfig.model_validate(attempt.spec.config)
    attempt.reporter.stage("training", config.argv[0])
    try:
        program = subprocess.Popen(
            config.argv,
            cwd=config.working_directory or attempt.spec.home,
            env={**os.environ, **config.environment, "FINERY_EVENTS": str(attempt.run.events)},
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return Outcome(reason=Reason.START_FAILED, message=f"{config.argv[0]!r} could not be started: {error.strerror}")
    asked = _wait(attempt, program)
    return _outcome(program.returncode, asked)


def _wait(attempt: Attempt, program: "subprocess.Popen[bytes]") -> set[str]:
    """Until it has ended; what it was asked on the way."""
    asked: set[str] = set()
    deadline = math.inf
    while program.poll() is None:
        asked |= attempt.controls.take() & {CONTROL_STOP, CONTROL_PAUSE}
        if asked and deadline == math.inf:
            program.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + GRACE_SECONDS
        if time.monotonic() > deadline:
            program.kill()
        time.sleep(POLL_SECONDS)
    return asked


def _outcome(code: int, asked: set[str]) -> Outcome:
    if CONTROL_STOP in asked:
        return Outcome(reason=Reason.STOPPED, message="the program was asked to end")
    if CONTROL_PAUSE in asked:
        return Outcome(reason=Reason.PAUSED, message="the program was ended by a signal to its trainer")
    if code == 0:
        return Outcome(reason=Reason.COMPLETED)
    if code < 0:
        return Outcome(reason=Reason.ERROR, message=f"the program was ended by signal {-code}")
    return Outcome(reason=Reason.ERROR, message=f"the program ended with exit code {code}")
