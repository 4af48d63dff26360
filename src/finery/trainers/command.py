"""Trainer of the recipe `command`: runs any program as a training, with its log, exit code and artifacts."""

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
"""A disk with less free space counts as full: a program may fail on a large write before nothing is left."""
GRACE_SECONDS = 30.0
"""From the SIGTERM that a request to stop or pause becomes to SIGKILL."""


def train(attempt: Attempt) -> Outcome:
    """Runs the program. In FINERY_EVENTS it finds the file for its events, and in FINERY_RUN_DIR the run's folder."""
    config = CommandConfig.model_validate(attempt.spec.config)
    attempt.stage("training", "running " + " ".join(config.argv))
    directory = attempt.spec.folders.get("working_directory", attempt.spec.home)
    started = time.monotonic()
    variables = {"FINERY_EVENTS": str(attempt.run.events), "FINERY_RUN_DIR": str(attempt.run.path)}
    try:
        program = subprocess.Popen(
            config.argv,
            cwd=directory,
            env={**os.environ, **config.environment, **variables},
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return Outcome(reason=Reason.START_FAILED, message=f"{config.argv[0]!r} could not be started: {error.strerror}")
    requested = _wait(attempt, program)
    metrics = {"seconds": round(time.monotonic() - started, 2)}
    if requested is None and program.returncode != 0:
        how = f"signal {-program.returncode}" if program.returncode < 0 else f"exit code {program.returncode}"
        is_full = _is_disk_full(attempt.run.path, directory)
        reason, beside = (Reason.DISK_FULL, " on a full disk") if is_full else (Reason.ERROR, "")
        return Outcome(reason=reason, message=f"the program ended with {how}{beside}", metrics=metrics)
    attempt.reporter.event(ResultData.model_validate(metrics))
    message = "the program was asked to end" if requested is not None else None
    return Outcome(
        reason=requested or Reason.COMPLETED, message=message, metrics=metrics, artifacts=_artifacts(attempt)
    )


def _wait(attempt: Attempt, program: "subprocess.Popen[bytes]") -> Reason | None:
    """Waits for the program. Returns the request to stop or pause that was passed on as SIGTERM; None without one."""
    requested: Reason | None = None
    deadline = math.inf
    while program.poll() is None:
        controls = attempt.controls.take()
        if requested is None and controls & {CONTROL_STOP, CONTROL_PAUSE}:
            requested = Reason.STOPPED if CONTROL_STOP in controls else Reason.PAUSED
            deadline = time.monotonic() + GRACE_SECONDS
            program.terminate()
        if time.monotonic() > deadline:
            program.kill()
        time.sleep(LOOK_EVERY_SECONDS)
    return requested


def _is_disk_full(*places: Path) -> bool:
    """Returns whether next to nothing can be written: the exit code does not say why a program failed."""
    disks = [os.statvfs(place) for place in places]
    return any(disk.f_bavail * disk.f_frsize < LEAST_FREE_BYTES for disk in disks)


def _artifacts(attempt: Attempt) -> list[ArtifactRef]:
    """Returns the output directory if the program has made it."""
    output = attempt.spec.output_dir
    return [ArtifactRef(name=output.name, type="file", path=str(output))] if output.is_dir() else []
