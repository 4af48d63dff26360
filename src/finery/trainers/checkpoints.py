"""Checkpoints, each whole or absent: they are written elsewhere, synced and then renamed."""

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

    def tokens_of(self, checkpoint: Path) -> int:
        """Returns the tokens trained on up to a checkpoint; TRL itself counts from 0 after a resume."""
        history = json.loads((checkpoint / "trainer_state.json").read_bytes())["log_history"]
        return max((int(entry.get("num_tokens", 0)) for entry in history), default=0)

    def remove_unfinished(self) -> bool:
        """Removes what a process that died was writing. Returns whether there was something."""
        is_unfinished = any(self.workspace.glob("checkpoint-*"))
        shutil.rmtree(self.workspace, ignore_errors=True)
        return is_unfinished

    def adopt(self, step: int) -> Path:
        """Moves the checkpoint just written to its place, and removes the oldest beyond the limit. Returns it."""
        name = f"checkpoint-{step}"
        written, whole = self.workspace / name, self._folder / name
        keep_base_record(self._run, written)
        sync_tree(written)
        if whole.exists():
            # A run resumed from an earlier checkpoint writes this one again, with the same state.
            shutil.rmtree(whole)
        os.rename(written, whole)
        sync_directory(self._folder)
        matches = [(WHOLE_CHECKPOINT.fullmatch(path.name), path) for path in self._folder.iterdir()]
        for _, path in sorted((int(match[1]), path) for match, path in matches if match)[: -self._keep]:
            shutil.rmtree(path)
        return whole


def keep_base_record(run: RunDirectory, folder: Path) -> None:
    """Copies the record of the base's weights into an adapter's folder, so that it goes wherever the adapter goes."""
    if is_adapter(folder) and (run.path / BASE_RECORD).is_file():
        shutil.copy2(run.path / BASE_RECORD, folder)


def rename_adapter_base(folder: Path, base: str) -> None:
    """Writes a moved base into the adapters among a run's checkpoints, since each can be served by itself."""
    for path in folder.glob("checkpoint-*/adapter_config.json"):
        settings = json.loads(path.read_bytes())
        write_json(path, {**settings, "base_model_name_or_path": base})


def sync_tree(folder: Path) -> None:
    """Syncs every file and folder of a tree, so that a rename afterwards never shows half of it."""
    for parent, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(os.path.join(parent, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(parent))
