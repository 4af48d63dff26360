"""Measures a run's dataset in its model's tokens without a download, and lets the request wait for it only briefly."""

from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.datasets.measurement import BUDGET_BYTES, MeasurementRequest, MeasurementResult
from finery.contracts.datasets.measurement_worker import WorkerBusy
from finery.contracts.datasets.recipes import example_kind_of
from finery.contracts.datasets.report import DatasetReport
from finery.contracts.recipes import RECIPES
from finery.domain.context import DomainContext
from finery.domain.datasets.measurement import cache_file, read_cached, write_cached
from finery.kit.hub_cache import cached_snapshot
from finery.kit.text_chunks import GZIP_MAGIC

WAIT_SECONDS = 2.0
"""How long a request's thread may wait, which other requests need as well."""
MAX_QUEUED = 3
"""Where more measurements are queued a request does not wait, since its turn would hardly come in that time."""
BRIEF_BYTES = 4 * 2**20
"""A file up to this size is measured whole, and so much of a larger one."""
BUILTIN_TOKENIZER = "finery/tiny-llama"
"""The built-in models share a tokenizer, and this model is created in the least time."""
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json")
PLAIN = frozenset({".json", ".jsonl", ".csv"})
WIDENING, TOKENS_OF_MESSAGE, TOKENS_OF_ROW = 2, 16, 64
"""At most so many bytes of UTF-8 come of a byte of the file, and so many tokens stand around a message and a row."""


@dataclass(frozen=True)
class Postponed:
    """The measurement is under way, or queued: `measure_later` waits for it."""

    request: MeasurementRequest


def measure_briefly(
    report: DatasetReport,
    *,
    path: Path,
    entry_name: str | None,
    model: str,
    max_length: int,
    config: Mapping[str, Any],
    context: DomainContext,
    patience: float = WAIT_SECONDS,
) -> MeasurementResult | Postponed | None:
    """Measure the data, or return None where that is needless, or impossible without a download.

    `report` is of the data at `path`, without an issue; `config` is what else of the recipe's configuration changes how
    rows are read; it waits for `patience` seconds at most. Raises DatasetNotFound and DatasetRefused where the data are
    gone by now.
    """
    rules = RECIPES[report.recipe].tokens
    # Texts that are learned in pieces lose nothing to max_length, and meet no template.
    if rules is None or rules.in_pieces:
        return None
    if model in BUILTIN_MODELS and "chat_template" not in config and _surely_fits(report, max_length):
        return None
    local_model = _with_local_tokenizer(model)
    if local_model is None:
        return None
    request = MeasurementRequest(
        dataset=path,
        entry=entry_name,
        recipe=report.recipe,
        examples=example_kind_of(report.recipe),
        rules=rules.under(config),
        model=local_model,
        models_cache=context.home.models,
        max_length=max_length,
        # A small file is measured whole either way, and is then found where a check has measured it.
        budget_bytes=BRIEF_BYTES if report.bytes > BRIEF_BYTES else BUDGET_BYTES,
    )
    file = cache_file(request, context)
    if (cached := read_cached(file)) is not None:
        return cached
    waits = context.live.measurer.is_ready and context.live.measurer.waiting <= MAX_QUEUED
    with suppress(WorkerBusy, TimeoutError):
        return _submit(request, file, context).result(patience if waits else 0)
    return Postponed(request)


def measure_later(request: MeasurementRequest, context: DomainContext, *, seconds: float) -> MeasurementResult:
    """Wait for what `measure_briefly` has postponed, at most `seconds`.

    Raises WorkerBusy, TimeoutError, DatasetNotFound and DatasetRefused.
    """
    file = cache_file(request, context)
    return read_cached(file) or _submit(request, file, context).result(seconds)


def _submit(request: MeasurementRequest, file: Path, context: DomainContext) -> "Future[MeasurementResult]":
    """Queue the measurement. Its result is cached, whoever waits for it by then. Raises WorkerBusy."""
    future = context.live.measurer.submit(request)
    future.add_done_callback(partial(_write_result, file))
    return future


def _write_result(file: Path, future: "Future[MeasurementResult]") -> None:
    with suppress(WorkerBusy):
        write_cached(file, future.result())


def _surely_fits(report: DatasetReport, max_length: int) -> bool:
    """Return whether a built-in model certainly learns from at least one row, so that measuring could refuse nothing.

    Its template takes every role but no tool calls, its tokens have one byte or more, and at least one row is no longer
    than the mean.
    """
    if report.untrainable or report.tool_calls or report.file.suffix.lower() not in PLAIN or _is_gzipped(report.file):
        return False
    messages = max(report.messages, 2 * report.rows)
    return WIDENING * report.bytes + TOKENS_OF_MESSAGE * messages <= (max_length - TOKENS_OF_ROW) * report.rows


def _is_gzipped(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def _with_local_tokenizer(model: str) -> str | None:
    """Return a model or folder whose tokenizer can be read without a download, or None."""
    if model in BUILTIN_MODELS:
        return BUILTIN_TOKENIZER
    folder = Path(model)
    if not folder.is_absolute():
        cached = cached_snapshot(model)
        return str(cached) if cached is not None and _has_tokenizer(cached) else None
    return model if _has_tokenizer(folder) else None


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZERS)
