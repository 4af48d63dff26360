"""Checkpoints that are whole or absent: written aside, synced, and only then given their name."""

import json
import os
import shutil
from pathlib import Path

from finery.contracts.layout import WHOLE_CHECKPOINT, RunDirectory
from finery.contracts.model_folder import BASE_RECORD, is_adapter
from finery.kit.files import sync_directory, write_json
from finery.trainers.attempt import Attempt


class Checkpoints:
    def __init__(self, attempt: Attempt, keep: int) -> None:
        self._run = attempt.run
        self._folder = attempt.run.checkpoints
        self._keep = keep
        self.workspace = attempt.checkpoint_workspace

    def latest(self) -> Path | None:
        """The last whole checkpoint."""
        return self._run.last_checkpoint()

    def tokens_of(self, checkpoint: Path) -> int:
        """How many tokens had been learned from; the trainers themselves count from 0 after a resume."""
        history = json.loads((checkpoint / "trainer_state.json").read_bytes())["log_history"]
        return max((int(entry.get("num_tokens", 0)) for entry in history), default=0)

    def remove_torn(self) -> bool:
        """Drop what a process that died was writing; True when there was something."""
        torn = any(self.workspace.glob("checkpoint-*"))
        shutil.rmtree(self.workspace, ignore_errors=True)
        return torn

    def adopt(self, step: int) -> Path:
        """Make the checkpoint that was just written whole, and drop those beyond the limit."""
        name = f"checkpoint-{step}"
        written, whole = self.workspace / name, self._folder / name
        keep_base_record(self._run, written)
        sync_tree(written)
        if whole.exists():
            # Written once more after a resume from an earlier one; the same step holds the same state.
            shutil.rmtree(whole)
        os.rename(written, whole)
        sync_directory(self._folder)
        for _, path in self._numbered()[: -self._keep]:
            shutil.rmtree(path)
        return whole

    def _numbered(self) -> list[tuple[int, Path]]:
        found = [(WHOLE_CHECKPOINT.fullmatch(path.name), path) for path in self._folder.iterdir()]
        return sorted((int(match[1]), path) for match, path in found if match)


def keep_base_record(run: RunDirectory, folder: Path) -> None:
    """Have an adapter say what weights it was trained on, wherever it is taken."""
    if is_adapter(folder) and (run.path / BASE_RECORD).is_file():
        shutil.copy2(run.path / BASE_RECORD, folder)


def name_base(folder: Path, base: str) -> None:
    """Have the adapters among a run's checkpoints name a base that has moved: each can be served by itself."""
    for path in folder.glob("checkpoint-*/adapter_config.json"):
        settings = json.loads(path.read_bytes())
        write_json(path, {**settings, "base_model_name_or_path": base})


def sync_tree(folder: Path) -> None:
    """Have the disk hold every file of a folder before the folder gets its name."""
    for parent, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(os.path.join(parent, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(parent))
