"""A check of data that somebody asks for; what is wrong is the answer, not an error."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from finery.contracts.datasets.measurement import DatasetCheck, dataset_check_of
from finery.contracts.datasets.recipes import learning_recipes
from finery.contracts.permissions import Principal
from finery.domain.catalog import resolve_model
from finery.domain.context import DomainContext
from finery.domain.datasets.check import report_on
from finery.domain.datasets.errors import DatasetNotFound, DatasetRefused
from finery.domain.datasets.measurement import try_to_measure
from finery.domain.datasets.references import resolve_reference
from finery.domain.errors import Issue
from finery.domain.path_access import is_hidden
from finery.kit.paths import PathRefused


@dataclass(frozen=True)
class CheckRequest:
    """What is to be checked, as it was named."""

    path: str
    recipe: str
    entry_name: str | None = None
    validation_path: str | None = None
    model: str | None = None
    max_length: int = 1024


@dataclass(frozen=True)
class Found:
    """Where it lies."""

    path: Path
    validation: Path | None
    model: str | None


def find(session: Session, asked: CheckRequest, actor: Principal, context: DomainContext) -> Found:
    """Raises DatasetNotFound, DatasetRefused, ModelNotFound, and what a reference to a stored dataset may raise."""
    if asked.recipe not in learning_recipes():
        known = ", ".join(learning_recipes())
        raise DatasetRefused(
            f"recipe: learns from no dataset; known: {known}", issues=[Issue("recipe", f"known: {known}")]
        )
    validation = asked.validation_path
    return Found(
        path=_located(session, "path", asked.path, actor, context),
        validation=None if validation is None else _located(session, "validation_path", validation, actor, context),
        model=None if asked.model is None else resolve_model(session, asked.model, context, actor),
    )


def inspect(asked: CheckRequest, found: Found, context: DomainContext) -> DatasetCheck:
    """Takes as long as the data is large: no session should be open. Raises DatasetNotFound and DatasetRefused."""
    report = report_on(found.path, recipe=asked.recipe, entry_name=asked.entry_name, validation=found.validation)
    if found.model is None or not report.ok:
        return dataset_check_of(report, None)
    measured = try_to_measure(
        found.path,
        recipe=asked.recipe,
        model=found.model,
        max_length=asked.max_length,
        context=context,
        entry_name=asked.entry_name,
    )
    return dataset_check_of(report, measured)


def told(
    session: Session, check: DatasetCheck, asked: CheckRequest, actor: Principal, context: DomainContext
) -> DatasetCheck:
    """With the files as they were named. Raises DatasetNotFound where a folder's entry led to what is hidden."""
    _refuse_hidden(session, check.file, "path", asked.path, actor, context)
    update: dict[str, object] = {"file": Path(asked.path)}
    if check.overlap is not None:
        _refuse_hidden(session, check.overlap.file, "validation_path", asked.validation_path or "", actor, context)
        update["overlap"] = check.overlap.model_copy(update={"file": Path(asked.validation_path or "")})
    return check.model_copy(update=update)


def _located(session: Session, field: str, text: str, actor: Principal, context: DomainContext) -> Path:
    stored = resolve_reference(session, text, actor, context)
    if stored is not None:
        return stored.path
    try:
        path = context.resolver.resolve(text)
    except PathRefused as error:
        raise DatasetRefused(str(error), issues=[Issue(field, str(error))]) from error
    if not path.exists():
        raise DatasetNotFound(text, field=field)
    _refuse_hidden(session, path, field, text, actor, context)
    return path


def _refuse_hidden(
    session: Session, path: Path, field: str, text: str, actor: Principal, context: DomainContext
) -> None:
    if is_hidden(session, path, actor, context):
        raise DatasetNotFound(text, field=field)
