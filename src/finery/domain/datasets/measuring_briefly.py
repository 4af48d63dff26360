"""What a dataset is to a model, while a request for a run waits for it: in bounded time, and asking no hub."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from finery.contracts.builtin import BUILTIN_MODELS
from finery.contracts.datasets.measurement import (
    BUDGET_BYTES,
    MEASURED_RECIPES,
    MeasurementRequest,
    NotMeasured,
)
from finery.contracts.datasets.measuring import measure_apart
from finery.contracts.datasets.report import DatasetReport
from finery.domain.datasets.measuring import Found, kept_measurement, kept_or_made
from finery.domain.ground import Ground
from finery.kit.text import GZIP_MAGIC

SECONDS = 20.0
"""The waiting for others included."""
BRIEF_BYTES = 4 * 2**20
"""A file up to this size is measured whole, of a larger one so much."""
AT_ONCE = 2
WAITING = 8
"""More than these would take the threads that other requests need."""
ALWAYS_LEARNED = frozenset({"cpt"})
"""No template, and what is longer than max_length is learned in pieces."""
TOKENIZER_OF_ALL = "finery/tiny-llama"
"""The built-in models share a tokenizer, and this is the one that is made soonest."""
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json")
PLAIN = frozenset({".json", ".jsonl", ".csv"})
WIDENING, TOKENS_OF_MESSAGE, TOKENS_OF_ROW = 2, 16, 64
"""So many bytes of UTF-8 at most become of a file's byte, and so many tokens stand around a message and a row."""

_turns = BoundedSemaphore(AT_ONCE)
_places = BoundedSemaphore(AT_ONCE + WAITING)


def measure_briefly(
    report: DatasetReport,
    *,
    path: Path,
    entry_name: str | None,
    model: str,
    max_length: int,
    config: Mapping[str, Any],
    ground: Ground,
) -> Found | None:
    """None where it need not be measured, or cannot be without a download.

    `report` is of the data at `path`, without a flaw; `config` is what else of the recipe's configuration changes how
    rows are read. Raises DatasetNotFound and DatasetRefused where the data are gone by now.
    """
    if report.recipe not in MEASURED_RECIPES or report.recipe in ALWAYS_LEARNED:
        return None
    if model in BUILTIN_MODELS and "chat_template" not in config and _surely_fits(report, max_length):
        return None
    here = _here(model)
    if here is None:
        return None
    request = MeasurementRequest(
        dataset=path,
        entry=entry_name,
        recipe=report.recipe,
        model=here,
        models_cache=ground.home.models,
        max_length=max_length,
        config=dict(config),
        # A small file is measured whole either way, and is then found where a check has measured it.
        budget_bytes=BRIEF_BYTES if report.bytes > BRIEF_BYTES else BUDGET_BYTES,
    )
    return kept_or_made(request, ground, lambda asked: _in_turn(asked, ground))


def _in_turn(request: MeasurementRequest, ground: Ground) -> Found:
    deadline = time.monotonic() + SECONDS
    if not _places.acquire(blocking=False):
        return NotMeasured(reason="too many other datasets are being measured")
    try:
        if not _turns.acquire(timeout=SECONDS):
            return NotMeasured(reason="other datasets were being measured for too long")
        try:
            # Whoever had the turn before may have asked the same.
            kept = kept_measurement(request, ground)
            return kept or measure_apart(request, seconds=max(1.0, deadline - time.monotonic()), offline=True)
        finally:
            _turns.release()
    finally:
        _places.release()


def _surely_fits(report: DatasetReport, max_length: int) -> bool:
    """Whether a built-in model learns from at least one row, for certain: then measuring could refuse nothing.

    Its template takes every role, but no tool calls; its tokens are one byte or more, and one row is no longer than
    their mean.
    """
    if report.untrainable or report.tool_calls or report.file.suffix.lower() not in PLAIN or _is_gzipped(report.file):
        return False
    messages = max(report.messages, 2 * report.rows)
    return WIDENING * report.bytes + TOKENS_OF_MESSAGE * messages <= (max_length - TOKENS_OF_ROW) * report.rows


def _is_gzipped(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _here(model: str) -> str | None:
    """Where its tokenizer can be read without a download; None where it cannot."""
    if model in BUILTIN_MODELS:
        return TOKENIZER_OF_ALL
    folder = Path(model)
    if not folder.is_absolute():
        cached = _cached(model)
        return None if cached is None else str(cached)
    return model if _has_tokenizer(folder) else None


def _cached(hub_id: str) -> Path | None:
    """The newest snapshot that the hub's client keeps, where trainers find it too."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or caches / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    folder = cache / f"models--{hub_id.replace('/', '--')}"
    try:
        commit = (folder / "refs" / "main").read_text().strip()
    except OSError:
        return None
    snapshot = folder / "snapshots" / commit
    return snapshot if commit.isalnum() and _has_tokenizer(snapshot) else None


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZERS)
