"""What a dataset is to a model, for a run: asking no hub, and while its request waits only where that is short."""

from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.datasets.measurement import BUDGET_BYTES, MeasurementRequest, MeasurementResult
from finery.contracts.datasets.measurement_worker import NotNow
from finery.contracts.datasets.recipes import example_kind_of
from finery.contracts.datasets.report import DatasetReport
from finery.contracts.recipes import RECIPES
from finery.domain.context import DomainContext
from finery.domain.datasets.measurement import file_of, keep, kept_in
from finery.kit.hub_cache import cached_snapshot
from finery.kit.text_chunks import GZIP_MAGIC

WAIT_SECONDS = 2.0
"""Of a request's thread, which others need as well."""
MOST_BEFORE = 3
"""Others that wait already: past them a request does not, since its turn would hardly come in that time."""
BRIEF_BYTES = 4 * 2**20
"""A file up to this size is measured whole, of a larger one so much."""
TOKENIZER_OF_ALL = "finery/tiny-llama"
"""The built-in models share a tokenizer, and this is the one that is made soonest."""
TOKENIZERS = ("tokenizer.json", "tokenizer_config.json")
PLAIN = frozenset({".json", ".jsonl", ".csv"})
WIDENING, TOKENS_OF_MESSAGE, TOKENS_OF_ROW = 2, 16, 64
"""So many bytes of UTF-8 at most become of a file's byte, and so many tokens stand around a message and a row."""


@dataclass(frozen=True)
class Postponed:
    """It is being measured, or will be: `measure_later` waits for it."""

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
) -> MeasurementResult | Postponed | None:
    """None where it need not be measured, or cannot be without a download.

    `report` is of the data at `path`, without an issue; `config` is what else of the recipe's configuration changes how
    rows are read. Raises DatasetNotFound and DatasetRefused where the data are gone by now.
    """
    rules = RECIPES[report.recipe].tokens
    # What is learned in pieces is learned whole, and meets no template.
    if rules is None or rules.in_pieces:
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
        examples=example_kind_of(report.recipe),
        rules=rules.under(config),
        model=here,
        models_cache=context.home.models,
        max_length=max_length,
        # A small file is measured whole either way, and is then found where a check has measured it.
        budget_bytes=BRIEF_BYTES if report.bytes > BRIEF_BYTES else BUDGET_BYTES,
    )
    file = file_of(request, context)
    if (kept := kept_in(file)) is not None:
        return kept
    waits = context.live.measurer.is_ready and context.live.measurer.waiting <= MOST_BEFORE
    with suppress(NotNow, TimeoutError):
        return _submitted(request, file, context).result(WAIT_SECONDS if waits else 0)
    return Postponed(request)


def measure_later(request: MeasurementRequest, context: DomainContext, *, seconds: float) -> MeasurementResult:
    """What `measure_briefly` has postponed. Raises NotNow, TimeoutError, DatasetNotFound and DatasetRefused."""
    file = file_of(request, context)
    return kept_in(file) or _submitted(request, file, context).result(seconds)


def _submitted(request: MeasurementRequest, file: Path, context: DomainContext) -> "Future[MeasurementResult]":
    """Kept when it is there, whoever waits for it then. Raises NotNow."""
    future = context.live.measurer.submit(request)
    future.add_done_callback(partial(_keep, file))
    return future


def _keep(file: Path, future: "Future[MeasurementResult]") -> None:
    with suppress(NotNow):
        keep(file, future.result())


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
        cached = cached_snapshot(model)
        return str(cached) if cached is not None and _has_tokenizer(cached) else None
    return model if _has_tokenizer(folder) else None


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in TOKENIZERS)
