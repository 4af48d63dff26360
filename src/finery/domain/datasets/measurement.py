"""Measures a dataset in a model's tokens, and caches the result while the files do not change."""

import hashlib
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from pydantic import ValidationError

from finery.contracts.datasets.measurement import (
    Measurement,
    MeasurementRequest,
    MeasurementResult,
    NotMeasured,
    unusable_reason_of,
)
from finery.contracts.datasets.measurement_program import measure_in_subprocess
from finery.contracts.datasets.recipes import example_kind_of, not_measured
from finery.contracts.recipes import RECIPES
from finery.domain.context import DomainContext
from finery.domain.datasets.check import state_of, state_of_rows
from finery.domain.datasets.errors import DatasetRefused
from finery.domain.errors import Issue
from finery.kit.files import write_atomically

CACHE_FORMAT = 1
"""It rises with each change of what is counted or cached."""
MAX_CACHED = 500
CHECKS_AT_ONCE = 4

_turns = BoundedSemaphore(CHECKS_AT_ONCE)


def refuse_misfit(path: Path, measurement: Measurement) -> None:
    """Raises DatasetRefused where the model can learn nothing from the data."""
    if misfit := unusable_reason_of(measurement):
        issues = [Issue(field="", message=failure.reason, line=failure.line) for failure in measurement.failures]
        raise DatasetRefused(f"{path.name}: {misfit}", issues=issues or [Issue(field="", message=misfit)])


def measure_tokens(
    path: Path,
    *,
    recipe: str,
    model: str,
    max_length: int,
    context: DomainContext,
    entry_name: str | None = None,
    config: dict[str, Any] | None = None,
) -> MeasurementResult:
    """Measure the data at `path` in the tokens of `model`, both resolved; what is wrong is returned, not raised.

    Raises DatasetNotFound and DatasetRefused where the data are gone by now.
    """
    rules = RECIPES[recipe].tokens
    if rules is None:
        return not_measured(recipe)
    request = MeasurementRequest(
        dataset=path,
        entry=entry_name,
        recipe=recipe,
        examples=example_kind_of(recipe),
        rules=rules.under(config or {}),
        model=model,
        models_cache=context.home.models,
        max_length=max_length,
    )
    file = cache_file(request, context)
    cached = read_cached(file)
    if cached is not None:
        return cached
    result = _measure_in_turn(request)
    write_cached(file, result)
    return result


def _measure_in_turn(request: MeasurementRequest) -> MeasurementResult:
    # More processes at once would take the machine's memory, and waiting would hold the threads of other requests.
    if not _turns.acquire(blocking=False):
        return NotMeasured(reason="too many other datasets are being measured; ask again later")
    try:
        return measure_in_subprocess(request)
    finally:
        _turns.release()


def write_cached(file: Path, result: MeasurementResult) -> None:
    """Cache a measurement. What could not be measured is not cached, since it may work the next time."""
    if isinstance(result, Measurement):
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_oldest(file.parent)
        write_atomically(file, result.model_dump_json().encode())


def read_cached(file: Path) -> Measurement | None:
    try:
        return Measurement.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def cache_file(request: MeasurementRequest, context: DomainContext) -> Path:
    """Return the file for the result of this request on these data. Raises DatasetNotFound and DatasetRefused."""
    rows = state_of_rows(request.dataset, request.entry)
    state = [CACHE_FORMAT, request.model_dump_json(), rows, _state_of_model(request.model)]
    return context.home.state / "measurements" / f"{hashlib.sha256(repr(state).encode()).hexdigest()[:32]}.json"


def _state_of_model(model: str) -> object:
    """Return a value that changes with the files of the tokenizer. Models without a folder are known by their name."""
    folder = Path(model)
    if not folder.is_absolute():
        return ()
    return [state_of(file) for file in sorted(folder.iterdir()) if file.suffix in (".json", ".jinja", ".model")]


def _remove_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[: max(0, len(files) - MAX_CACHED + 1)]:
        file.unlink(missing_ok=True)
