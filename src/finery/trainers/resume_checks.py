"""Refuses to resume a run whose data or base model has changed: a checkpoint counts rows and depends on its base."""

import hashlib
from pathlib import Path
from typing import Any

from finery.contracts.datasets import open_source
from finery.contracts.layout import HomeDirectory
from finery.contracts.model_folder import base_has_changed, record_base
from finery.contracts.recipes.base import MODEL
from finery.kit.files import read_json, write_json
from finery.trainers.attempt import Attempt
from finery.trainers.errors import TrainingRefused


def refuse_changed_data(attempt: Attempt) -> None:
    """Records the data files' hashes when a training begins, and compares them when it resumes from a checkpoint.

    Raises TrainingRefused when one was changed, InfoRefused and OSError when it cannot be read.
    """
    spec = attempt.spec
    files = [open_source(data.path, data.entry).file for data in spec.datasets.values()]
    recorded = read_json(attempt.run.data) if attempt.run.last_checkpoint() is not None else None
    current = {}
    # Files in the blob store never change.
    for path in (file for file in files if not file.is_relative_to(HomeDirectory(spec.home).blobs)):
        before = (recorded or {}).get(str(path))
        current[str(path)] = _fingerprint(path, before)
        if before is not None and before["sha256"] != current[str(path)]["sha256"]:
            raise TrainingRefused(
                f"{path} was changed after this training had begun, and its checkpoint counts on the rows before; "
                "put them back, or start a new run"
            )
    if current != recorded:
        write_json(attempt.run.data, current)


def refuse_changed_base(attempt: Attempt, base: str) -> None:
    """Records the base's weights when an adapter's training begins, and compares them when it resumes.

    Raises TrainingRefused when they were changed.
    """
    # A base that was merged for this run alone may differ in its last bits when it is merged again.
    is_merged = Path(base).parent == attempt.run.path
    if attempt.run.last_checkpoint() is not None and not is_merged and base_has_changed(attempt.run.path, base):
        raise TrainingRefused(
            f"the weights of {base} were changed after this training had begun, and its checkpoint holds an adapter of "
            "those before; put them back, or start a new run",
            field=MODEL,
        )
    if attempt.is_main:
        record_base(attempt.run.path, base)


def _fingerprint(path: Path, before: dict[str, Any] | None) -> dict[str, Any]:
    """Returns size, time and SHA-256 of a file; the hash is computed anew only when size or time differ from before."""
    status = path.stat()
    quick = {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
    if before is not None and all(before[name] == value for name, value in quick.items()):
        return before
    with path.open("rb") as file:
        return {**quick, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
