"""What a run learns from: found, and checked row by row."""

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

LEARNED, VALIDATED = "training data", "validation data"


class EvaluationRefused(DatasetRefused):
    """What a run would be evaluated on is bad; the message begins with the setting that names it."""

    def __init__(self, field: str, error: DatasetRefused) -> None:
        super().__init__(f"{field}: {error}", issues=error.issues, total=error.total)
        self.field = field


@dataclass(frozen=True)
class Located:
    """Where the data are that an input names."""

    input: Input
    path: Path
    stored: ResolvedDataset | None
    """Data that do not change, and are to be pinned."""

    @property
    def reference(self) -> str:
        """What names them for ever, where that can be."""
        return (self.stored and self.stored.reference) or self.input.name

    @property
    def resolved(self) -> ResolvedData:
        stored = None if self.stored is None else self.stored.record()
        return ResolvedData(path=self.path, entry=self.input.entry, stored=stored)


@dataclass(frozen=True)
class Learned:
    """Data whose rows a trainer learns from."""

    located: Located
    report: DatasetReport
    usable: int
    """Rows that it can learn from, as far as can be told without the model."""
    has_validation: bool

    def rows_to_train_on(self, config: TrainingConfig) -> int:
        """Without those that are held out for evaluation."""
        if config.eval_split == 0.0 or self.has_validation:
            return self.usable
        return self.usable - max(1, round(self.usable * config.eval_split))


@dataclass(frozen=True)
class RunData:
    located: tuple[Located, ...] = ()
    learned: Mapping[str, Learned] = field(default_factory=dict)
    """By the field that names them. None of a recipe that looks at no rows."""
    notices: tuple[NoticeData, ...] = ()


def find_data(
    session: Session, recipe: Recipe, config: RecipeConfig, context: DomainContext, actor: Principal
) -> RunData:
    """Raises InvalidRun, DatasetRefused, and EvaluationRefused where the data to learn from are good."""
    with _nothing_hidden(session, context, actor) as read:
        located = []
        for one in inputs_of(config):
            if isinstance(one.kind, DatasetInput):
                located.append(_locate(session, one, context, actor))
                read.append((one, located[-1].path))
        if recipe.examples is None:
            for found in located:
                _refuse_missing(found)
            return RunData(tuple(located))
        validations = [_validation(recipe, found) for found in located if found.input.validates is not None]
        learned = {}
        for found in located:
            if found.input.validates is None:
                learned[found.input.field] = _learned(recipe, config, found, validations)
                read.append((found.input, learned[found.input.field].report.file))
        for each in validations:
            if each.refused is not None:
                raise each.refused
            if each.report is not None:
                read.append((each.located.input, each.report.file))
    notices = [_notice(LEARNED, one.located, warning) for one in learned.values() for warning in one.report.warnings]
    for each in validations:
        warnings = each.report.warnings if each.report is not None else ()
        notices += [_notice(VALIDATED, each.located, warning) for warning in warnings]
    return RunData(tuple(located), learned, tuple(notices))


def refuse_too_few(data: Learned, config: TrainingConfig, *, processes: int) -> None:
    """Raises InvalidRun where no batch would be full."""
    together = config.batch_size * processes
    if (rows := data.rows_to_train_on(config)) < together:
        raise InvalidRun(
            [Issue("batch_size", f"{rows} rows to learn from do not fill a batch of {together}; choose a smaller one")]
        )


def resolved_path(field: str, text: str, context: DomainContext) -> Path:
    """Raises InvalidRun."""
    try:
        return context.resolver.resolve(text)
    except PathRefused as error:
        raise InvalidRun([Issue(field, str(error))]) from error


@contextmanager
def _nothing_hidden(session: Session, context: DomainContext, actor: Principal) -> Iterator[list[tuple[Input, Path]]]:
    """Gives a list for what is read. Of what is hidden from them they hear only that nothing is there, bad or not."""
    read: list[tuple[Input, Path]] = []
    try:
        yield read
    finally:
        for one, path in read:
            if is_hidden(session, path, actor, context):
                raise _no_dataset(one)


def _locate(session: Session, one: Input, context: DomainContext, actor: Principal) -> Located:
    """A stored dataset or an uploaded file, which is to be pinned, or a path."""
    uploaded = resolve_file(session, one.name, actor, context, field=one.field)
    try:
        stored = uploaded or resolve_reference(session, one.name, actor, context)
    except StoredDatasetNotFound as error:
        raise NoSuchData([Issue(one.field, str(error))]) from error
    except DomainError as error:
        raise InvalidRun([Issue(one.field, str(error))]) from error
    return Located(one, resolved_path(one.field, one.name, context) if stored is None else stored.path, stored)


@dataclass(frozen=True)
class _Validation:
    """Data to evaluate on. What is wrong with them is told when nothing is wrong with the data to learn from."""

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


def _learned(recipe: Recipe, config: RecipeConfig, located: Located, validations: Sequence[_Validation]) -> Learned:
    own = [each for each in validations if each.located.input.validates == located.input.field]
    # The overlap is looked for only with what can be read.
    compared = next((each.located.path for each in own if each.report is not None), None)
    report = _report_on(recipe, located, validation=compared)
    with named_by_reference(located.input.name, located.path):
        usable = _usable(config, located, report)
    return Learned(located, report, usable, has_validation=bool(own))


def _report_on(recipe: Recipe, located: Located, *, validation: Path | None = None) -> DatasetReport:
    _refuse_missing(located)
    with named_by_reference(located.input.name, located.path):
        entry = located.input.entry
        return check_dataset(located.path, recipe=recipe.name, entry_name=entry, validation=validation)


def _refuse_missing(located: Located) -> None:
    if not located.path.exists():
        raise _no_dataset(located.input)


def _no_dataset(one: Input) -> NoSuchData:
    message = f"there is no file or folder {one.name[:200]!r}; upload it, or name one that is there"
    return NoSuchData([Issue(one.field, message)])


def _usable(config: RecipeConfig, located: Located, report: DatasetReport) -> int:
    """Raises DatasetRefused where the grader would find in no row what it is told to look at."""
    needed = tuple(item_paths(templates_of(config.grader))) if isinstance(config, GradedConfig) else ()
    if not needed:
        return report.trainable
    path, entry = located.path, located.input.entry
    usable, missing = _with_item(path, entry, needed, state_of_rows(path, entry))
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


def _notice(what: str, located: Located, warning: RowWarning) -> NoticeData:
    rows = "1 row" if warning.count == 1 else f"{warning.count:,} rows, each of which"
    lines = [place.line for place in warning.places]
    more = ", …" if warning.count > len(lines) else ""
    where = f" (line{'s' if warning.count > 1 else ''} {', '.join(map(str, lines))}{more})" if lines else ""
    return NoticeData(
        level="warning",
        code=warning.kind,
        message=f"{what}: {rows} {warning.message}{where}",
        setting=located.input.field,
        count=warning.count,
        lines=lines,
    )
