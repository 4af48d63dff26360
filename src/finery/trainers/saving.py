"""Saves the finished model: written beside the output, synced, and put into place by one rename."""

import ctypes
import errno
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finery.contracts.layout import OUTPUT_MARKER
from finery.contracts.recipes.base import MODEL
from finery.kit.files import sync_directory
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import sync_tree
from finery.trainers.errors import TrainingRefused
from finery.trainers.model_settings import generation_as_it_is

# Python has no renameat2; these are the kernel's numbers.
AT_CWD = -100
RENAME_EXCHANGE = 2


def refuse_foreign_output(output: Path) -> None:
    """Raises TrainingRefused for a folder that holds files without Finery's marker: they must not be replaced."""
    if output.exists() and not (output / OUTPUT_MARKER).exists() and (not output.is_dir() or any(output.iterdir())):
        raise TrainingRefused(
            f"output_dir {output} exists and holds something else; choose another", field="output_dir"
        )


def write_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    with generation_as_it_is(model, folder):
        model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def write_marker(attempt: Attempt, folder: Path) -> None:
    """Marks the folder as Finery's own, so that a later run may replace it."""
    marker = {
        "run_id": attempt.spec.run_id,
        "recipe": attempt.spec.recipe,
        "base": attempt.spec.models[MODEL],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / OUTPUT_MARKER).write_text(json.dumps(marker, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def swap_into_place(partial: Path, output: Path) -> None:
    """Puts `partial` in the place of `output`, whose earlier files are removed. Raises TrainingRefused, OSError."""
    refuse_foreign_output(output)
    sync_tree(partial)
    if output.exists():
        _exchange(partial, output)
        sync_directory(output.parent)
        shutil.rmtree(partial)
    else:
        os.rename(partial, output)
    sync_directory(output.parent)


def _exchange(one: Path, other: Path) -> None:
    """Swaps two folders atomically (renameat2(2)); by three renames where the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_CWD, os.fsencode(one), AT_CWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return
    if ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(other))
    aside = other.with_name(f"{one.name}.old")
    os.rename(other, aside)
    os.rename(one, other)
    os.rename(aside, one)
