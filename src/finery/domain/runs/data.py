"""Locates the datasets that a run's configuration names, and checks their rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from sqlalchemy.orm import Session

from finery.contracts.datasets import iter_tasks
from finery.contracts.datasets.report import DatasetReport, RowWarning
from finery.contracts.events import NoticeData
from finery.contracts.graders import item_paths, templates_of
from finery.contracts.graders.templates import FieldMissing, look_up
from finery.contracts.graders.templates import Path as ItemPath
from finery.contracts.inputs import DatasetInput, Input, inputs_of
from finery.contracts.permissions import Principal
from finery.contracts.recipes import GradedConfig, Recipe, RecipeConfig, TrainingConfig
from finery.contracts.resolved_run import ResolvedData
from finery.domain.context import DomainContext
from finery.domain.datasets import ResolvedDataset, check_dataset, named_by_reference, resolve_reference
from finery.domain.datasets.check import state_of_rows
from finery.domain.datasets.errors import DatasetRefused, StoredDatasetNotFound
from finery.domain.errors import DomainError, Issue
from finery.domain.files import resolve_file
from finery.domain.path_access import is_hidden
from finery.domain.runs.errors import InvalidRun, NoSuchData
from finery.kit.paths import PathRefused
from finery.kit.translatable import Translatable, message_of

TRAINING_DATA, VALIDATION_DATA = "training data", "validation data"
"""Words for messages."""


class EvaluationRefused(DatasetRefused):
    """The data for evaluation are bad; the message begins with the setting that names them."""

    def __init__(self, field: str, error: DatasetRefused) -> None:
        super().__init__(f"{field}: {error}", issues=error.issues, total=error.total)
        self.field = field


@dataclass(frozen=True)
class Located:
    """The data that an input names, with their path."""

    input: Input
    path: Path
    stored: ResolvedDataset | None
    """The stored dataset or uploaded file, which never changes and is to be pinned; None for a path."""

    @property
    def reference(self) -> str:
        """The name of the data with their version, where they have one."""
        return (self.stored and self.stored.reference) or self.input.name

    @property
    def resolved(self) -> ResolvedData:
        stored = None if self.stored is None else self.stored.record()
        return ResolvedData(path=self.path, entry=self.input.entry, stored=stored)


@dataclass(frozen=True)
class TrainingData:
    """Data that a trainer learns from, with their report."""

    located: Located
    report: DatasetReport
    usable: int
    """The number of rows that it can learn from, as far as the rows tell without the model."""
    has_validation: bool

    def rows_to_train_on(self, config: TrainingConfig) -> int:
        """Return the number of usable rows without those that are held out for evaluation."""
        if config.eval_split == 0.0 or self.has_validation:
            return self.usable
        return self.usable - max(1, round(self.usable * config.eval_split))


@dataclass(frozen=True)
class RunData:
    located: tuple[Located, ...] = ()
    training: Mapping[str, TrainingData] = field(default_factory=dict)
    """By the field that names them; empty for a recipe that reads no rows."""
    notices: tuple[NoticeData, ...] = ()


def find_data(
    session: Session, recipe: Recipe, config: RecipeConfig, context: DomainContext, actor: Principal
) -> RunData:
    """Locate and check all data that the configuration names.

    Raises InvalidRun, DatasetRefused, and EvaluationRefused where the data to learn from are good.
    """
    with _refusing_hidden(session, context, actor) as read:
        located = []
        for dataset in inputs_of(config):
            if isinstance(dataset.kind, DatasetInput):
                located.append(_locate(session, dataset, context, actor))
                read.append((dataset, located[-1].path))
        if recipe.examples is None:
            for data in located:
                _refuse_missing(data)
            return RunData(tuple(located))
        validations = [_validation(recipe, data) for data in located if data.input.validates is not None]
        training = {}
        for data in located:
            if data.input.validates is None:
                training[data.input.field] = _training_data(recipe, config, data, validations)
                read.append((data.input, training[data.input.field].report.file))
        for validation in validations:
            if validation.refused is not None:
                raise validation.refused
            if validation.report is not None:
                read.append((validation.located.input, validation.report.file))
    notices = [
        notice_of(TRAINING_DATA, warning, setting=data.located.input.field)
        for data in training.values()
        for warning in data.report.warnings
    ]
    for validation in validations:
        warnings = validation.report.warnings if validation.report is not None else ()
        notices += [notice_of(VALIDATION_DATA, warning, setting=validation.located.input.field) for warning in warnings]
    return RunData(tuple(located), training, tuple(notices))


def refuse_too_few(data: TrainingData, config: TrainingConfig, *, processes: int) -> None:
    """Raises InvalidRun where the rows do not fill one batch of all processes."""
    together = config.batch_size * processes
    if (rows := data.rows_to_train_on(config)) < together:
        raise InvalidRun(
            [
                Issue(
                    "batch_size",
                    Translatable(
                        "{rows} rows to learn from do not fill a batch of {together}; choose a smaller one",
                        rows=rows,
                        together=together,
                    ),
                )
            ]
        )


def resolved_path(field: str, text: str, context: DomainContext) -> Path:
    """Raises InvalidRun."""
    try:
        return context.resolver.resolve(text)
    except PathRefused as error:
        raise InvalidRun([Issue(field, message_of(error))]) from error


@contextmanager
def _refusing_hidden(session: Session, context: DomainContext, actor: Principal) -> Iterator[list[tuple[Input, Path]]]:
    """Yield a list for the paths that the block reads, and raise NoSuchData at its end for one that is hidden.

    It replaces any other error, so that a user learns nothing of a hidden file, be it good or bad.
    """
    read: list[tuple[Input, Path]] = []
    try:
        yield read
    finally:
        for dataset, path in read:
            if is_hidden(session, path, actor, context):
                raise _no_dataset(dataset)


def _locate(session: Session, dataset: Input, context: DomainContext, actor: Principal) -> Located:
    """Resolve the name of an uploaded file or a stored dataset, else a path. Raises NoSuchData, InvalidRun."""
    uploaded = resolve_file(session, dataset.name, actor, context, field=dataset.field)
    try:
        stored = uploaded or resolve_reference(session, dataset.name, actor, context)
    except StoredDatasetNotFound as error:
        raise NoSuchData([Issue(dataset.field, message_of(error))]) from error
    except DomainError as error:
        raise InvalidRun([Issue(dataset.field, message_of(error))]) from error
    path = resolved_path(dataset.field, dataset.name, context) if stored is None else stored.path
    return Located(dataset, path, stored)


@dataclass(frozen=True)
class _Validation:
    """Data to evaluate on. What is wrong with them is raised only when the data to learn from are good."""

    located: Located
    report: DatasetReport | None = None
    refused: DomainError | None = None


def _validation(recipe: Recipe, located: Located) -> _Validation:
    try:
        return _Validation(located, report=_report_on(recipe, located))
    except DatasetRefused as error:
        return _Validation(located, refused=EvaluationRefused(located.input.field, error))
    except DomainError as error:
        return _Validation(located, refused=error)


def _training_data(
    recipe: Recipe, config: RecipeConfig, located: Located, validations: Sequence[_Validation]
) -> TrainingData:
    own = [validation for validation in validations if validation.located.input.validates == located.input.field]
    # The overlap is counted only with data that can be read.
    compared = next((validation.located.path for validation in own if validation.report is not None), None)
    report = _report_on(recipe, located, validation=compared)
    with named_by_reference(located.input.name, located.path):
        usable = _usable(config, located, report)
    return TrainingData(located, report, usable, has_validation=bool(own))


def _report_on(recipe: Recipe, located: Located, *, validation: Path | None = None) -> DatasetReport:
    _refuse_missing(located)
    with named_by_reference(located.input.name, located.path):
        entry = located.input.entry
        return check_dataset(located.path, recipe=recipe.name, entry_name=entry, validation=validation)


def _refuse_missing(located: Located) -> None:
    if not located.path.exists():
        raise _no_dataset(located.input)


def _no_dataset(dataset: Input) -> NoSuchData:
    message = Translatable(
        "there is no file or folder {name!r}; upload it, or name one that is there", name=dataset.name[:200]
    )
    return NoSuchData([Issue(dataset.field, message)])


def _usable(config: RecipeConfig, located: Located, report: DatasetReport) -> int:
    """Count usable rows. Raises DatasetRefused where no row has the fields that the grader's templates name."""
    needed = tuple(item_paths(templates_of(config.grader))) if isinstance(config, GradedConfig) else ()
    if not needed:
        return report.trainable
    path, entry = located.path, located.input.entry
    usable, missing = _count_with_fields(path, entry, needed, state_of_rows(path, entry))
    if not usable:
        raise DatasetRefused.for_file(report.file, f"no row has what the grader looks at: {missing}")
    return usable


@lru_cache(maxsize=64)
def _count_with_fields(
    path: Path, entry_name: str | None, needed: tuple[ItemPath, ...], _state: object
) -> tuple[int, str]:
    """Return how many rows have a prompt and all needed fields, and what the last of the others lacks.

    `_state` changes with the rows, so that the cache holds for them only.
    """
    count, missing = 0, ""
    for row in iter_tasks(path, entry_name):
        try:
            for item_path in needed:
                look_up(item_path, {"item": row.item})
        except FieldMissing as error:
            missing = str(error)
            continue
        count += row.is_trainable
    return count, missing


def notice_of(what: str, warning: RowWarning, *, setting: str) -> NoticeData:
    rows = "1 row" if warning.count == 1 else f"{warning.count:,} rows, each of which"
    lines = [place.line for place in warning.places]
    more = ", …" if warning.count > len(lines) else ""
    where = f" (line{'s' if warning.count > 1 else ''} {', '.join(map(str, lines))}{more})" if lines else ""
    return NoticeData(
        level="warning",
        code=warning.kind,
        message=f"{what}: {rows} {warning.message}{where}",
        setting=setting,
        count=warning.count,
        lines=lines,
    )
