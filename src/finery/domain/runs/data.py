"""What a run learns from: found, checked row by row, and measured with its model's tokenizer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from finery.contracts.datasets import iter_tasks
from finery.contracts.datasets.measurement import (
    Found,
    Measurement,
    MeasurementRefused,
    MeasurementRequest,
    NotMeasured,
)
from finery.contracts.datasets.report import DatasetReport, RowWarning
from finery.contracts.graders import item_paths, templates_of
from finery.contracts.graders.templates import FieldMissing, look_up
from finery.contracts.graders.templates import Path as ItemPath
from finery.contracts.permissions import Principal
from finery.contracts.recipes import GradedConfig, TrainingConfig
from finery.domain.datasets import ResolvedDataset, check_dataset, named_by_reference, resolve_reference
from finery.domain.datasets.check import state_of_rows
from finery.domain.datasets.errors import DatasetRefused
from finery.domain.datasets.measuring import refuse_misfit
from finery.domain.datasets.measuring_briefly import Postponed, measure_briefly
from finery.domain.datasets.refusals import StoredDatasetNotFound
from finery.domain.errors import DomainError, Flaw
from finery.domain.files import resolve_file
from finery.domain.ground import Ground
from finery.domain.places import is_hidden
from finery.domain.runs.errors import InvalidRun, NoSuchData
from finery.kit.paths import PathRefused

TRAINING, EVALUATION = "dataset_path", "eval_dataset_path"
WORDS = {TRAINING: "training data", EVALUATION: "validation data"}
Notice = dict[str, Any]


class EvaluationRefused(DatasetRefused):
    """What a run would be evaluated on is bad; the message begins with the setting that names it."""

    def __init__(self, error: DatasetRefused) -> None:
        super().__init__(f"{EVALUATION}: {error}", flaws=error.flaws, total=error.total)


@dataclass(frozen=True)
class RunData:
    dataset: Path
    report: DatasetReport
    usable: int
    """Rows that a trainer can learn from, as far as can be told without the model."""
    eval_dataset: Path | None = None
    pins: dict[str, ResolvedDataset] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Measured:
    notices: tuple[Notice, ...] = ()
    due: MeasurementRequest | None = None
    """What is to be measured once the run is accepted."""


def find_data(session: Session, recipe: str, config: TrainingConfig, ground: Ground, who: Principal) -> RunData:
    """Raises InvalidRun, DatasetRefused, and EvaluationRefused where the training data are good."""
    read: list[tuple[str, str, Path]] = []
    pins: dict[str, ResolvedDataset] = {}
    try:
        path = _located(session, TRAINING, config.dataset_path, ground, who, pins)
        read.append((TRAINING, config.dataset_path, path))
        other = None
        if config.eval_dataset_path is not None:
            other = _located(session, EVALUATION, config.eval_dataset_path, ground, who, pins)
            read.append((EVALUATION, config.eval_dataset_path, other))
        evaluation, refused = _evaluated(recipe, config, other)
        # The overlap is looked for only with what can be read.
        with _named(TRAINING, config.dataset_path, path):
            compared = other if evaluation is not None else None
            report = check_dataset(path, recipe=recipe, entry_name=config.dataset_name, validation=compared)
            usable = _usable(path, config, report)
        read.append((TRAINING, config.dataset_path, report.file))
        if refused is not None:
            raise refused
        if evaluation is not None:
            read.append((EVALUATION, config.eval_dataset_path or "", evaluation.file))
    finally:
        # Also when one was found bad: of what is hidden from them they hear only that nothing is there.
        for name, text, place in read:
            if is_hidden(session, place, who, ground):
                raise _no_dataset(name, text)
    notices = [_notice(TRAINING, warning) for warning in report.warnings]
    notices += [_notice(EVALUATION, warning) for warning in (evaluation.warnings if evaluation is not None else ())]
    return RunData(path, report, usable, other, pins, tuple(notices))


def measure_data(data: RunData, *, config: TrainingConfig, model: str, ground: Ground) -> Measured:
    """What the model's template and max_length make of the rows. Takes two seconds at most. Raises DatasetRefused where
    nothing is left to learn.
    """
    with named_by_reference(config.dataset_path, data.dataset):
        found = measure_briefly(
            data.report,
            path=data.dataset,
            entry_name=config.dataset_name,
            model=model,
            max_length=config.max_length,
            config=config.model_dump(exclude_none=True),
            ground=ground,
        )
    if isinstance(found, Postponed):
        return Measured(due=found.request)
    return Measured(() if found is None else measured_notices(found, name=config.dataset_path, path=data.dataset))


def measured_notices(found: Found, *, name: str, path: Path) -> tuple[Notice, ...]:
    """What is lost of the rows, where something is. `name`: what the file at `path` was named by.

    Raises DatasetRefused where nothing is left to learn.
    """
    with named_by_reference(name, path):
        match found:
            case MeasurementRefused(refused=reason, would_fail=True):
                raise DatasetRefused.for_file(path, reason)
            case NotMeasured(reason=reason) | MeasurementRefused(refused=reason):
                message = f"{WORDS[TRAINING]}: not measured in the model's tokens: {reason}"
                level = "info" if isinstance(found, NotMeasured) else "warning"
                return ({"level": level, "code": "not_measured", "message": message},)
        refuse_misfit(path, found)
    return tuple(_losses(found))


def refuse_too_few(data: RunData, config: TrainingConfig, *, processes: int) -> None:
    """Raises InvalidRun where no batch would be full."""
    together = config.batch_size * processes
    if (rows := rows_to_train_on(data, config)) < together:
        raise InvalidRun(
            [Flaw("batch_size", f"{rows} rows to learn from do not fill a batch of {together}; choose a smaller one")]
        )


def rows_to_train_on(data: RunData, config: TrainingConfig) -> int:
    """Without those that are held out for evaluation."""
    if config.eval_split == 0.0 or data.eval_dataset is not None:
        return data.usable
    return data.usable - max(1, round(data.usable * config.eval_split))


def resolved_path(field: str, text: str, ground: Ground) -> Path:
    """Raises InvalidRun."""
    try:
        return ground.resolver.resolve(text)
    except PathRefused as error:
        raise InvalidRun([Flaw(field, str(error))]) from error


def _located(
    session: Session, name: str, text: str, ground: Ground, who: Principal, pins: dict[str, ResolvedDataset]
) -> Path:
    """A stored dataset or an uploaded file, which is to be pinned, or a path."""
    uploaded = resolve_file(session, text, who, ground, field=name)
    try:
        stored = uploaded or resolve_reference(session, text, who, ground)
    except StoredDatasetNotFound as error:
        raise NoSuchData([Flaw(name, str(error))]) from error
    except DomainError as error:
        raise InvalidRun([Flaw(name, str(error))]) from error
    if stored is None:
        return resolved_path(name, text, ground)
    pins[name] = stored
    return stored.path


def _evaluated(
    recipe: str, config: TrainingConfig, path: Path | None
) -> tuple[DatasetReport | None, DomainError | None]:
    """Its report, or what is wrong with it: that is told when nothing is wrong with the training data."""
    if path is None or config.eval_dataset_path is None:
        return None, None
    try:
        with _named(EVALUATION, config.eval_dataset_path, path):
            return check_dataset(path, recipe=recipe), None
    except DatasetRefused as error:
        return None, EvaluationRefused(error)
    except DomainError as error:
        return None, error


@contextmanager
def _named(field: str, text: str, path: Path) -> Iterator[None]:
    if not path.exists():
        raise _no_dataset(field, text)
    with named_by_reference(text, path):
        yield


def _no_dataset(field: str, text: str) -> NoSuchData:
    return NoSuchData([Flaw(field, f"there is no file or folder {text[:200]!r}; upload it, or name one that is there")])


def _usable(path: Path, config: TrainingConfig, report: DatasetReport) -> int:
    """Raises DatasetRefused where the grader would find in no row what it is told to look at."""
    needed = tuple(item_paths(templates_of(config.grader))) if isinstance(config, GradedConfig) else ()
    if not needed:
        return report.trainable
    usable, missing = _with_item(path, config.dataset_name, needed, state_of_rows(path, config.dataset_name))
    if not usable:
        raise DatasetRefused.for_file(report.file, f"no row has what the grader looks at: {missing}")
    return usable


@lru_cache(maxsize=64)
def _with_item(path: Path, entry_name: str | None, needed: tuple[ItemPath, ...], _state: object) -> tuple[int, str]:
    """How many rows have a prompt and all that is needed, and what the last of the others lacks."""
    count, missing = 0, ""
    for row in iter_tasks(path, entry_name):
        try:
            for place in needed:
                look_up(place, {"item": row.item})
        except FieldMissing as error:
            missing = str(error)
            continue
        count += row.is_trainable
    return count, missing


def _notice(setting: str, warning: RowWarning) -> Notice:
    rows = "1 row" if warning.count == 1 else f"{warning.count:,} rows, each of which"
    lines = [place.line for place in warning.places]
    more = ", …" if warning.count > len(lines) else ""
    where = f"line{'s' if warning.count > 1 else ''} {', '.join(map(str, lines))}{more}"
    return {
        "level": "warning",
        "code": warning.kind,
        "message": f"{WORDS[setting]}: {rows} {warning.message} ({where})",
        "setting": setting,
        "count": warning.count,
        "lines": lines,
    }


def _losses(found: Measurement) -> Iterator[Notice]:
    of = f"of {found.rows:,} rows" if found.is_exact else f"of {found.measured:,} rows that were looked at"
    longest = f"max_length {found.max_length:,}"
    told = {
        "rows_refused": (found.failed, "are left out, since the model's chat template makes nothing of them"),
        "rows_cut_away": (found.vanished, f"are left out, since {longest} cuts off all that would be learned"),
        "rows_truncated": (found.truncated, f"are longer than {longest}, and lose their end"),
    }
    for code, (count, what) in told.items():
        if count:
            reason = f" ({found.failures[0]})" if code == "rows_refused" else ""
            message = f"{WORDS[TRAINING]}: {count:,} {of} {what}{reason}"
            yield {"level": "warning", "code": code, "message": message, "setting": TRAINING, "count": count}
