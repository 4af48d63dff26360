"""What a recipe is given: the run's specification and directory, and the ways to tell and to be told."""

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
    """0 in the process that reports, saves and writes the outcome; torchrun numbers the others from 1."""
    processes: int
    redact: Redactor = NOTHING
    """Takes the run's secrets out of a text."""

    @property
    def number(self) -> int:
        """1 for the run's first."""
        return int(self.directory.path.name)

    @property
    def kernel_ended_the_last(self) -> bool:
        """Whether the kernel ended the attempt before this one, since the machine's memory was used up."""
        ending = read_json(self.run.attempt(self.number - 1).exit)
        outcome = ending.get("outcome") if isinstance(ending, dict) and ending.get("signal") is not None else None
        return isinstance(outcome, dict) and outcome.get("reason") == Reason.OOM

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    @property
    def encoded(self) -> Path:
        """Where the rows lie as tokens while they are learned."""
        return self.run.path / "encoded"

    @property
    def checkpoint_workspace(self) -> Path:
        """Where a checkpoint is written; never read again."""
        return self.run.checkpoints / ".partial"

    @property
    def batch_file(self) -> Path:
        """The smaller batch that fitted into memory, for the run's other attempts and processes."""
        return self.run.batch

    @property
    def partial_output(self) -> Path:
        """Beside the output, so that it can take its place in one rename."""
        return self.spec.output_dir.with_name(f".partial-{self.spec.run_id}")

    def remove_scratch(self) -> None:
        """Drop what no later attempt will read; on a full disk it makes room for the outcome."""
        for folder in (self.encoded, self.checkpoint_workspace, self.partial_output):
            shutil.rmtree(folder, ignore_errors=True)

    def stage(self, stage: str, label: str) -> None:
        """Announce a stage before training. Raises PausedBeforeTraining when a pause was asked for."""
        self.raise_if_paused()
        self.reporter.stage(stage, label)

    def raise_if_paused(self) -> None:
        """For the time before the first step, when there is nothing to save. Several ranks wait for that step."""
        if self.controls.wants_pause and self.processes == 1:
            self.controls.take()
            raise PausedBeforeTraining("paused before the first step")


def open_attempt(run: RunDirectory, spec: RunSpec) -> Attempt:
    """torchrun and the scheduler say in the environment which process and which attempt this is."""
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
