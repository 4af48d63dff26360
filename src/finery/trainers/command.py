"""Any program, minded like a training: its log, its end and its artifacts are the run's."""

import math
import os
import subprocess
import time
from pathlib import Path

from finery.contracts.events import ResultData
from finery.contracts.layout import CONTROL_PAUSE, CONTROL_STOP
from finery.contracts.process import ArtifactRef, Outcome
from finery.contracts.recipes import CommandConfig
from finery.contracts.status import Reason
from finery.trainers.attempt import Attempt

LOOK_EVERY_SECONDS = 0.1
LEAST_FREE_BYTES = 64 << 10
"""What a full disk may have left: too little for what a program writes at once, though not nothing."""
GRACE_SECONDS = 30.0
"""Between the SIGTERM that a request becomes and SIGKILL."""


def train(attempt: Attempt) -> Outcome:
    """The program finds FINERY_EVENTS, to which it may append events, and FINERY_RUN_DIR with its control/."""
    config = CommandConfig.model_validate(attempt.spec.config)
    attempt.stage("training", "running " + " ".join(config.argv))
    directory = attempt.spec.folders.get("working_directory", attempt.spec.home)
    started = time.monotonic()
    told = {"FINERY_EVENTS": str(attempt.run.events), "FINERY_RUN_DIR": str(attempt.run.path)}
    try:
        program = subprocess.Popen(
            config.argv,
            cwd=directory,
            env={**os.environ, **config.environment, **told},
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return Outcome(reason=Reason.START_FAILED, message=f"{config.argv[0]!r} could not be started: {error.strerror}")
    asked = _mind(attempt, program)
    metrics = {"seconds": round(time.monotonic() - started, 2)}
    if asked is None and program.returncode != 0:
        how = f"signal {-program.returncode}" if program.returncode < 0 else f"exit code {program.returncode}"
        is_full = _is_disk_full(attempt.run.path, directory)
        reason, beside = (Reason.DISK_FULL, " on a full disk") if is_full else (Reason.ERROR, "")
        return Outcome(reason=reason, message=f"the program ended with {how}{beside}", metrics=metrics)
    attempt.reporter.event(ResultData.model_validate(metrics))
    message = "the program was asked to end" if asked is not None else None
    return Outcome(reason=asked or Reason.COMPLETED, message=message, metrics=metrics, artifacts=_artifacts(attempt))


def _mind(attempt: Attempt, program: "subprocess.Popen[bytes]") -> Reason | None:
    """Wait for the program. A request to stop or pause reaches it as SIGTERM, and is the answer."""
    asked: Reason | None = None
    deadline = math.inf
    while program.poll() is None:
        wanted = attempt.controls.take()
        if asked is None and wanted & {CONTROL_STOP, CONTROL_PAUSE}:
            asked = Reason.STOPPED if CONTROL_STOP in wanted else Reason.PAUSED
            deadline = time.monotonic() + GRACE_SECONDS
            program.terminate()
        if time.monotonic() > deadline:
            program.kill()
        time.sleep(LOOK_EVERY_SECONDS)
    return asked


def _is_disk_full(*places: Path) -> bool:
    """Whether next to nothing can be written: where an exit code does not tell why a program failed, that does."""
    found = [os.statvfs(place) for place in places]
    return any(each.f_bavail * each.f_frsize < LEAST_FREE_BYTES for each in found)


def _artifacts(attempt: Attempt) -> list[ArtifactRef]:
    """The output directory, when the program has made it."""
    output = attempt.spec.output_dir
    return [ArtifactRef(name=output.name, type="file", path=str(output))] if output.is_dir() else []
