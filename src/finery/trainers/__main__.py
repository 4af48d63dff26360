"""`python -m finery.trainers RUN_DIR`: trains the run described there, or resumes it."""

import contextlib
import io
import os
import sys
import traceback
from pathlib import Path

from finery.contracts.datasets import InfoRefused, RowRefused
from finery.contracts.layout import RunDirectory
from finery.contracts.process import DISK_FULL_EXIT_CODE, Outcome
from finery.contracts.resolved_run import RunSpec
from finery.contracts.status import Reason
from finery.kit.reserved_file import ReservedFile
from finery.kit.tables import BrokenRow, UnreadableTable
from finery.trainers.attempt import Attempt, open_attempt
from finery.trainers.errors import (
    Diverged,
    OutOfMemory,
    PausedBeforeTraining,
    TrainingRefused,
    is_disk_full,
    reason_of,
)
from finery.trainers.multi_gpu import run_with_torchrun
from finery.trainers.output_redaction import redact_output
from finery.trainers.registry import recipe_of, trainer_of
from finery.trainers.resume_checks import refuse_changed_data

EXPECTED = (
    TrainingRefused,
    Diverged,
    OutOfMemory,
    PausedBeforeTraining,
    RowRefused,
    InfoRefused,
    BrokenRow,
    UnreadableTable,
)
"""Errors whose message suffices; any other also prints its traceback to the log."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m finery.trainers RUN_DIR", file=sys.stderr)
        return 2
    _set_library_variables()
    run = RunDirectory(Path(arguments[0]).absolute())
    try:
        outcome = _run(run)
    except OSError as error:
        if not is_disk_full(error):
            raise
        _discard_output()
        return DISK_FULL_EXIT_CODE
    return 0 if outcome.reason in (Reason.COMPLETED, Reason.STOPPED, Reason.PAUSED) else 1


def _run(run: RunDirectory) -> Outcome:
    """Trains, and writes the outcome. Raises OSError when the disk is too full for that."""
    attempt = open_attempt(run, RunSpec.model_validate_json(run.spec.read_bytes()))
    outcome_file = ReservedFile(attempt.directory.outcome)
    if attempt.is_main:
        outcome_file.reserve()
    if attempt.redact:
        redact_output(attempt.redact)
    attempt.controls.watch_sigterm()
    outcome = _redacted(_train(attempt), attempt)
    if attempt.is_main:
        attempt.remove_scratch()
        # The outcome's space is reserved, so that a full disk loses no more than this line of the log.
        with contextlib.suppress(OSError):
            attempt.reporter.log(f"ended: {outcome.reason}" + (f": {outcome.message}" if outcome.message else ""))
        # Last: once the outcome exists, the run is not trained again, so that all its events must be on the disk.
        attempt.reporter.sync()
        outcome_file.write(outcome.model_dump_json().encode())
    return outcome


def _discard_output() -> None:
    """Sends buffered output to /dev/null: Python would try to flush it at its end, and change the exit code."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for standard in (1, 2):
        os.dup2(nothing, standard)


def _train(attempt: Attempt) -> Outcome:
    try:
        recipe = recipe_of(attempt.spec)
        if len(attempt.spec.gpus) > 1 and attempt.processes == 1 and recipe.process_per_gpu:
            return run_with_torchrun(attempt)
        # Of several processes, the one that started torchrun has checked the data.
        if recipe.examples is not None and attempt.processes == 1:
            refuse_changed_data(attempt)
        outcome = trainer_of(attempt.spec)(attempt)
        if not isinstance(outcome, Outcome):
            raise TypeError(f"{attempt.spec.trainer} returned {type(outcome).__name__} instead of an Outcome")
        return outcome
    except Exception as error:  # noqa: BLE001 - the process's edge: whatever happened, the outcome must name it
        if not isinstance(error, EXPECTED):
            with contextlib.suppress(OSError):
                traceback.print_exc(file=sys.stdout)
        message = str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
        field = error.field if isinstance(error, TrainingRefused) else None
        return Outcome(reason=reason_of(error), message=message, field=field)


def _redacted(outcome: Outcome, attempt: Attempt) -> Outcome:
    """Redacts the outcome's message before it is cut to size: half a secret would not be recognized."""
    if outcome.message is None:
        return outcome
    return outcome.model_copy(update={"message": attempt.redact(outcome.message)[:2000]})


def _set_library_variables() -> None:
    """Sets variables that libraries read when they are imported; a warm parent has them from the scheduler."""
    # Threads that spin while they wait make a training on a busy machine ten times slower (measured).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    sys.exit(main(sys.argv[1:]))
