"""Where a supervised process keeps its files. Standard library only: the shim imports it.

A run's directory, `<home>/runs/<id>/` (a deployment's is the same without the trainer's part):

    spec.json                   what the trainer reads
    events.jsonl                what the trainer appends: one JSON object a line (see contracts.events)
    control/                    requests to the trainer: empty files `checkpoint`, `validate`, `stop`, `pause`
    checkpoints/checkpoint-N/   whole checkpoints only
    encoded/, base/             the trainer's own: tokens, a merged base
    batch.json, data.json       the batch size that fits, and what the data files were when the training began (trainer)
    finery_base.json            by what an adapter's base is known again (contracts.model_folder; trainer)
    attempts/K/launch.json      what the shim starts            (written by the server)
    attempts/K/environment.json the process's whole environment, mode 0600, until it has begun (server)
    attempts/K/shim.lock        locked while the shim lives      (shim)
    attempts/K/shim.json        the identities of shim and process (shim)
    attempts/K/terminate.json   the request to end, with its grace (server)
    attempts/K/outcome.json     the trainer's own account of its end (trainer)
    attempts/K/exit.json        the truth about the end          (shim)
"""

import re
from dataclasses import dataclass
from pathlib import Path

CONTROL_CHECKPOINT = "checkpoint"
CONTROL_VALIDATE = "validate"
CONTROL_STOP = "stop"
CONTROL_PAUSE = "pause"

WHOLE_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
OUTPUT_MARKER = "finery.json"
"""The file by which an output directory is known as one of ours, so that it may be replaced; it names the run."""
MARK_VARIABLE = "FINERY_PROCESS_MARK"
"""Environment variable whose value marks every process of an attempt, so that strays can be found."""


def mark_of(home_id: str, directory: Path, attempt: int) -> str:
    """The mark of an attempt's processes; `directory` is the run's. No other home's processes have it, a copy's of this
    home included."""
    return f"{home_id}/{directory.name}/{attempt}"


def process_mark(mark: str) -> str:
    """As it stands in the environment of the attempt's process, and of all that it starts."""
    return f"{MARK_VARIABLE}={mark}"


def shim_mark(mark: str) -> str:
    """As it stands in the environment of the attempt's shim, which is none of what it sweeps."""
    return f"{MARK_VARIABLE}=shim:{mark}"


@dataclass(frozen=True)
class AttemptDirectory:
    path: Path

    @property
    def launch(self) -> Path:
        return self.path / "launch.json"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def lock(self) -> Path:
        return self.path / "shim.lock"

    @property
    def shim(self) -> Path:
        return self.path / "shim.json"

    @property
    def terminate(self) -> Path:
        return self.path / "terminate.json"

    @property
    def outcome(self) -> Path:
        return self.path / "outcome.json"

    @property
    def exit(self) -> Path:
        return self.path / "exit.json"


@dataclass(frozen=True)
class RunDirectory:
    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def control(self) -> Path:
        return self.path / "control"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def batch(self) -> Path:
        return self.path / "batch.json"

    @property
    def data(self) -> Path:
        return self.path / "data.json"

    def last_checkpoint(self) -> Path | None:
        """The last whole one: what has such a name is whole."""
        try:
            found = [(WHOLE_CHECKPOINT.fullmatch(path.name), path) for path in self.checkpoints.iterdir()]
        except FileNotFoundError:
            return None
        return max(((int(match[1]), path) for match, path in found if match), default=(0, None))[1]

    def attempt(self, number: int) -> AttemptDirectory:
        return AttemptDirectory(self.path / "attempts" / str(number))


@dataclass(frozen=True)
class HomeDirectory:
    """What lies where in a home."""

    path: Path

    def run(self, run_id: str) -> RunDirectory:
        return RunDirectory(self.path / "runs" / run_id)

    def deployment(self, deployment_id: str) -> RunDirectory:
        return RunDirectory(self.path / "deployments" / deployment_id)

    def run_log(self, run_id: str) -> Path:
        return self.path / "outputs" / "training_logs" / f"job_{run_id}.log"

    def deployment_log(self, deployment_id: str) -> Path:
        return self.path / "deploy_logs" / f"{deployment_id}.log"

    @property
    def models(self) -> Path:
        """The built-in models, once made."""
        return self.path / "models"

    @property
    def uploads(self) -> Path:
        return self.path / "data" / "uploads"

    @property
    def blobs(self) -> Path:
        """The stored datasets' files; no request names one by its path."""
        return self.path / "datasets" / "blobs"

    @property
    def upload_parts(self) -> Path:
        """Of files that are not whole yet."""
        return self.path / "datasets" / "parts"

    @property
    def reserve(self) -> Path:
        """Space on the disk for what must get through (kit.disk_reserve)."""
        return self.state / "reserve"

    @property
    def state(self) -> Path:
        """The server's own small files: its lock, the warm parent's socket."""
        return self.path / ".finery"
