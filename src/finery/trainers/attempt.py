"""The Attempt that a trainer is given: the run's specification, its folders, its reporter and its controls."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from finery.contracts.layout import AttemptDirectory, RunDirectory
from finery.contracts.resolved_run import RunSpec
from finery.contracts.status import Reason
from finery.kit.files import read_json
from finery.kit.redaction import NOTHING, Redactor
from finery.trainers.controls import Controls
from finery.trainers.errors import PausedBeforeTraining
from finery.trainers.output_redaction import redactor_of_environment
from finery.trainers.reporting import Reporter


@dataclass(frozen=True)
class Attempt:
    spec: RunSpec
    run: RunDirectory
    directory: AttemptDirectory
    reporter: Reporter
    controls: Controls
    rank: int
    """torchrun's rank; process 0 reports, saves and writes the outcome."""
    processes: int
    redact: Redactor = NOTHING
    """Removes the run's secrets from a text."""

    @property
    def number(self) -> int:
        """The attempt's number; the run's first is 1."""
        return int(self.directory.path.name)

    @property
    def follows_oom_kill(self) -> bool:
        """Whether the kernel's OOM killer ended the attempt before this one."""
        ending = read_json(self.run.attempt(self.number - 1).exit)
        outcome = ending.get("outcome") if isinstance(ending, dict) and ending.get("signal") is not None else None
        return isinstance(outcome, dict) and outcome.get("reason") == Reason.OOM

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    @property
    def encoded(self) -> Path:
        """The folder of the encoded rows during the training."""
        return self.run.path / "encoded"

    @property
    def checkpoint_workspace(self) -> Path:
        """The folder in which checkpoints are written; what is left there is never read again."""
        return self.run.checkpoints / ".partial"

    @property
    def partial_output(self) -> Path:
        """The folder in which the output is written: beside it, so that one rename puts it into place."""
        return self.spec.output_dir.with_name(f".partial-{self.spec.run_id}")

    def remove_scratch(self) -> None:
        """Removes what no later attempt will read; on a full disk this makes room for the outcome."""
        for folder in (self.encoded, self.checkpoint_workspace, self.partial_output):
            shutil.rmtree(folder, ignore_errors=True)

    def stage(self, stage: str, label: str) -> None:
        """Reports a stage before the training. Raises PausedBeforeTraining when a pause was requested."""
        self.raise_if_paused()
        self.reporter.stage(stage, label)

    def raise_if_paused(self) -> None:
        """Raises PausedBeforeTraining when a pause was requested and no step has given anything to save.

        Several ranks wait for their first step instead: they must all pause at the same point.
        """
        if self.controls.wants_pause and self.processes == 1:
            self.controls.take()
            raise PausedBeforeTraining("paused before the first step")


def open_attempt(run: RunDirectory, spec: RunSpec) -> Attempt:
    """Opens the attempt that torchrun's and the scheduler's environment variables name, and makes its folders."""
    rank = int(os.environ.get("RANK", "0"))
    named = os.environ.get("FINERY_ATTEMPT_DIR")
    directory = AttemptDirectory(Path(named)) if named else run.attempt(1)
    directory.path.mkdir(parents=True, exist_ok=True)
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    redact = redactor_of_environment(spec.secrets)
    return Attempt(
        spec=spec,
        run=run,
        directory=directory,
        reporter=Reporter(run.events, silent=rank != 0, redact=redact),
        controls=Controls(run.control),
        rank=rank,
        processes=int(os.environ.get("WORLD_SIZE", "1")),
        redact=redact,
    )
