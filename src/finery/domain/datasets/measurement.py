"""What a dataset is to a model, in tokens; measured once for a file that does not change."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from pydantic import ValidationError

from finery.contracts.datasets.measurement import (
    Measurement,
    MeasurementRefused,
    MeasurementRequest,
    MeasurementResult,
    NotMeasured,
    misfit_of,
)
from finery.contracts.datasets.measurement_program import measure_in_subprocess
from finery.contracts.datasets.recipes import example_kind_of, not_measured
from finery.contracts.recipes import RECIPES
from finery.domain.context import DomainContext
from finery.domain.datasets.check import state_of, state_of_rows
from finery.domain.datasets.errors import DatasetRefused, NotMeasurable
from finery.domain.errors import Issue
from finery.kit.files import write_atomically

FORMAT = 1
"""Of what is kept; a number of its own for each way of counting."""
KEPT = 500
CHECKS_AT_ONCE = 4

_turns = BoundedSemaphore(CHECKS_AT_ONCE)


def measure(
    path: Path,
    *,
    recipe: str,
    model: str,
    max_length: int,
    context: DomainContext,
    entry_name: str | None = None,
    config: dict[str, Any] | None = None,
) -> Measurement | NotMeasured:
    """`path` and `model` are resolved. Raises NotMeasurable for a model whose tokenizer cannot be used, and
    DatasetRefused where the model's template fails on all rows, or no row leaves a token to learn.
    """
    found = try_to_measure(
        path,
        recipe=recipe,
        model=model,
        max_length=max_length,
        context=context,
        entry_name=entry_name,
        config=config,
    )
    if isinstance(found, MeasurementRefused):
        raise NotMeasurable(found.refused)
    if isinstance(found, Measurement):
        refuse_misfit(path, found)
    return found


def refuse_misfit(path: Path, found: Measurement) -> None:
    """Raises DatasetRefused where the model can learn nothing from it."""
    if misfit := misfit_of(found):
        issues = [Issue(field="", message=failure.reason, line=failure.line) for failure in found.failures]
        raise DatasetRefused(f"{path.name}: {misfit}", issues=issues or [Issue(field="", message=misfit)])


def try_to_measure(
    path: Path,
    *,
    recipe: str,
    model: str,
    max_length: int,
    context: DomainContext,
    entry_name: str | None = None,
    config: dict[str, Any] | None = None,
) -> MeasurementResult:
    """As `measure`, but what is wrong is the answer."""
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
    return kept_or_made(request, context, _in_turn)


def _in_turn(request: MeasurementRequest) -> MeasurementResult:
    """A process for each would take the machine's memory, and a thread for each those of other requests."""
    if not _turns.acquire(blocking=False):
        return NotMeasured(reason="too many other datasets are being measured; ask again later")
    try:
        return measure_in_subprocess(request)
    finally:
        _turns.release()


def kept_or_made(
    request: MeasurementRequest, context: DomainContext, make: Callable[[MeasurementRequest], MeasurementResult]
) -> MeasurementResult:
    """Only what was measured is kept: another time may be better. Raises DatasetNotFound and DatasetRefused."""
    file = file_of(request, context)
    if (kept := kept_in(file)) is not None:
        return kept
    found = make(request)
    keep(file, found)
    return found


def keep(file: Path, found: MeasurementResult) -> None:
    if isinstance(found, Measurement):
        file.parent.mkdir(parents=True, exist_ok=True)
        _forget_oldest(file.parent)
        write_atomically(file, found.model_dump_json().encode())


def kept_in(file: Path) -> Measurement | None:
    try:
        return Measurement.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def file_of(request: MeasurementRequest, context: DomainContext) -> Path:
    """Where it is kept. Raises DatasetNotFound and DatasetRefused."""
    rows = state_of_rows(request.dataset, request.entry)
    state = [FORMAT, request.model_dump_json(), rows, _state_of_model(request.model)]
    return context.home.state / "measurements" / f"{hashlib.sha256(repr(state).encode()).hexdigest()[:32]}.json"


def _state_of_model(model: str) -> object:
    """Changes with the files that make a tokenizer; a built-in model and one of the hub go by their name."""
    folder = Path(model)
    if not folder.is_absolute():
        return ()
    return [state_of(file) for file in sorted(folder.iterdir()) if file.suffix in (".json", ".jinja", ".model")]


def _forget_oldest(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[: max(0, len(files) - KEPT + 1)]:
        file.unlink(missing_ok=True)
