"""The paths of a home and of each run's directory. Standard library only: the shim imports it.

A run's directory, `<home>/runs/<id>/` (a deployment's is the same without the trainer's part):

    spec.json                   what the trainer reads
    events.jsonl                what the trainer appends: one JSON object a line (see contracts.events)
    control/                    requests to the trainer: empty files `checkpoint`, `validate`, `stop`, `pause`
    checkpoints/checkpoint-N/   whole checkpoints only
    encoded/, base/             the trainer's own: tokens, a merged base
    batch.json, data.json       the batch size that fits, and what the data files were when the training began (trainer)
    finery_base.json            identifies an adapter's base (contracts.model_folder; trainer)
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
"""Marks an output directory as one of ours, which may be replaced; it names the run."""
MARK_VARIABLE = "FINERY_PROCESS_MARK"
"""Environment variable that marks every process of an attempt, so that strays can be found."""


def mark_of(home_id: str, directory: Path, attempt: int) -> str:
    """Returns the mark of an attempt's processes. `directory`: the run's. It is unique among homes, copies included."""
    return f"{home_id}/{directory.name}/{attempt}"


def process_mark(mark: str) -> str:
    """Returns the environment entry of the attempt's process, which its children inherit."""
    return f"{MARK_VARIABLE}={mark}"


def shim_mark(mark: str) -> str:
    """Returns the environment entry of the attempt's shim, which must not sweep itself."""
    return f"{MARK_VARIABLE}=shim:{mark}"


class AttemptDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.launch = path / "launch.json"
        self.environment = path / "environment.json"
        self.lock = path / "shim.lock"
        self.shim = path / "shim.json"
        self.terminate = path / "terminate.json"
        self.outcome = path / "outcome.json"
        self.exit = path / "exit.json"


class RunDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.spec = path / "spec.json"
        self.events = path / "events.jsonl"
        self.control = path / "control"
        self.checkpoints = path / "checkpoints"
        self.batch = path / "batch.json"
        self.data = path / "data.json"

    def last_checkpoint(self) -> Path | None:
        """Returns the newest checkpoint. A folder gets such a name by rename when it is complete."""
        try:
            matches = [(WHOLE_CHECKPOINT.fullmatch(path.name), path) for path in self.checkpoints.iterdir()]
        except FileNotFoundError:
            return None
        return max(((int(match[1]), path) for match, path in matches if match), default=(0, None))[1]

    def attempt(self, number: int) -> AttemptDirectory:
        return AttemptDirectory(self.path / "attempts" / str(number))


@dataclass(frozen=True)
class HomeDirectory:
    """The paths below a home."""

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
        """The built-in models, which are made on first use."""
        return self.path / "models"

    @property
    def uploads(self) -> Path:
        return self.path / "data" / "uploads"

    @property
    def blobs(self) -> Path:
        """The files of stored datasets; no request names one by its path."""
        return self.path / "datasets" / "blobs"

    @property
    def upload_parts(self) -> Path:
        """Parts of files whose upload is not completed yet."""
        return self.path / "datasets" / "parts"

    @property
    def reserve(self) -> Path:
        """Disk space that is kept for cancels and the like (kit.disk_reserve)."""
        return self.state / "reserve"

    @property
    def state(self) -> Path:
        """The server's own small files: its lock, the warm parent's socket, its identity."""
        return self.path / ".finery"
