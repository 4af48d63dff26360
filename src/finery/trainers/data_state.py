"""A run's attempts learn from the same rows and on the same base: a checkpoint says how many rows were read, not which,
and an adapter is nothing on another base.
"""

import hashlib
from pathlib import Path
from typing import Any

from finery.contracts.datasets import open_source
from finery.contracts.layout import HomeDirectory
from finery.contracts.model_folder import base_has_changed, record_base
from finery.kit.files import read_json, write_json
from finery.trainers.attempt import Attempt
from finery.trainers.errors import TrainingRefused


def refuse_changed_data(attempt: Attempt) -> None:
    """Note what the data files are as a training begins, and look again as it goes on from a checkpoint.

    Raises TrainingRefused when one was changed, InfoRefused and OSError when it cannot be read.
    """
    noted = read_json(attempt.run.data) if attempt.run.last_checkpoint() is not None else None
    now = {}
    for path in _files(attempt):
        before = (noted or {}).get(str(path))
        now[str(path)] = _state(path, before)
        if before is not None and before["sha256"] != now[str(path)]["sha256"]:
            raise TrainingRefused(
                f"{path} was changed after this training had begun, and its checkpoint counts on the rows before; "
                "put them back, or start a new run"
            )
    if now != noted:
        write_json(attempt.run.data, now)


def refuse_changed_base(attempt: Attempt, base: str) -> None:
    """Note what weights an adapter's training begins on, and look again as it goes on from a checkpoint.

    Raises TrainingRefused when they were changed.
    """
    # What was merged for this run alone may differ in its last bits when it is merged again.
    is_merged = Path(base).parent == attempt.run.path
    if attempt.run.last_checkpoint() is not None and not is_merged and base_has_changed(attempt.run.path, base):
        raise TrainingRefused(
            f"the weights of {base} were changed after this training had begun, and its checkpoint holds an adapter of "
            "those before; put them back, or start a new run"
        )
    if attempt.is_main:
        record_base(attempt.run.path, base)


def _files(attempt: Attempt) -> list[Path]:
    """Stored ones never change."""
    spec = attempt.spec
    found = [open_source(data.path, data.entry).file for data in spec.datasets.values()]
    return [path for path in found if not path.is_relative_to(HomeDirectory(spec.home).blobs)]


def _state(path: Path, before: dict[str, Any] | None) -> dict[str, Any]:
    status = path.stat()
    seen = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    if before is not None and all(before[name] == value for name, value in seen.items()):
        return before
    with path.open("rb") as file:
        return {**seen, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
