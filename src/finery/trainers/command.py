"""Any program, minded like a training: its log, its end and its artifacts are the run's."""

import os
import signal
import subprocess
import time

from finery.contracts.events import EventType
from finery.contracts.layout import CONTROL_PAUSE, CONTROL_STOP
from finery.contracts.process import Outcome
from finery.contracts.recipes import CommandConfig
from finery.contracts.status import Reason
from finery.trainers.attempt import Attempt
from finery.trainers.errors import TrainingRefused

LOOK_EVERY_SECONDS = 0.2


def train(attempt: Attempt) -> Outcome:
    """The program finds FINERY_RUN_DIR: it may append to events.jsonl and look into control/ as a trainer does."""
    config = CommandConfig.model_validate(attempt.spec.config)
    attempt.stage("training", "running " + " ".join(config.argv))
    started = time.monotonic()
    try:
        program = subprocess.Popen(
            config.argv,
            cwd=config.working_directory or attempt.spec.home,
            env={**os.environ, **config.environment, "FINERY_RUN_DIR": str(attempt.run.path)},
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise TrainingRefused(f"the program {config.argv[0]} cannot be started: {error.strerror}") from error
    ending = _mind(attempt, program)
    figures = {"seconds": round(time.monotonic() - started, 2)}
    if program.returncode == 0 or (ending is not None and program.returncode == -signal.SIGTERM):
        attempt.reporter.event(EventType.RESULT, figures)
        return Outcome(reason=ending or Reason.COMPLETED, figures=figures, artifacts=_artifacts(attempt))
    how = f"signal {-program.returncode}" if program.returncode < 0 else f"exit code {program.returncode}"
    return Outcome(reason=Reason.ERROR, message=f"the command ended with {how}", figures=figures)


def _mind(attempt: Attempt, program: "subprocess.Popen[bytes]") -> Reason | None:
    """Wait for the program; a request to stop or pause becomes its SIGTERM, and is answered when it has ended."""
    ending = None
    while True:
        try:
            program.wait(timeout=LOOK_EVERY_SECONDS)
        except subprocess.TimeoutExpired:
            wanted = attempt.controls.take()
            if ending is None and wanted & {CONTROL_STOP, CONTROL_PAUSE}:
                ending = Reason.STOPPED if CONTROL_STOP in wanted else Reason.PAUSED
                program.terminate()
        else:
            return ending


def _artifacts(attempt: Attempt) -> list[dict[str, str]]:
    """The output directory, when the program has made it."""
    output = attempt.spec.output_dir
    return [{"name": output.name, "type": "file", "path": str(output)}] if output.is_dir() else []
