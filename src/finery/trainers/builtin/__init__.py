"""Built-in models, which need no hub: made on first use from a configuration and the samples that Finery ships."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from finery.contracts.builtin_models import BUILTIN_MODELS


class UnknownBuiltin(ValueError):
    """No built-in model has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no built-in model {name!r}; there are {', '.join(BUILTIN_MODELS)}")


def ensure_builtin(name: str, cache: Path, report: Callable[[str], None] = lambda label: None) -> Path:
    """Returns the folder of a built-in model, and makes it first if need be. Safe for many processes at once.

    An existing model is never made anew, even if this version would make another: adapters were trained on it.
    Raises UnknownBuiltin, and OSError when the disk is full.
    """
    if name not in BUILTIN_MODELS:
        raise UnknownBuiltin(name)
    folder = cache / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f".{folder.name}.lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            report(f"making the built-in model {name}")
            _make(name, folder, report)
    return folder


def _make(name: str, folder: Path, report: Callable[[str], None]) -> None:
    # Imported here, since mostly the model exists already and torch is not needed.
    from finery.trainers.builtin.instruct import teach_instructions
    from finery.trainers.builtin.models import build_model
    from finery.trainers.builtin.tokenizer import train_tokenizer
    from finery.trainers.checkpoints import sync_tree

    tokenizer = train_tokenizer()
    model = build_model("qwen" if name == "finery/tiny-qwen" else "llama", tokenizer)
    if name == "finery/tiny-llama-instruct":
        teach_instructions(model, tokenizer, report)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    sync_tree(partial)
    os.rename(partial, folder)
