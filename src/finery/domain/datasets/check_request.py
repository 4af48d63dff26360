"""Checks data on request: what is wrong with them is the result, not an error."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from finery.contracts.datasets.measurement import DatasetCheck, dataset_check_of
from finery.contracts.datasets.recipes import learning_recipes
from finery.contracts.permissions import Principal
from finery.domain.catalog import resolve
from finery.domain.context import DomainContext
from finery.domain.datasets.check import report_on
from finery.domain.datasets.errors import DatasetNotFound, DatasetRefused
from finery.domain.datasets.measurement import measure_tokens
from finery.domain.datasets.references import resolve_reference
from finery.domain.errors import Issue
from finery.domain.path_access import is_hidden
from finery.kit.paths import PathRefused


@dataclass(frozen=True)
class CheckRequest:
    """What is to be checked, as the request names it."""

    path: str
    recipe: str
    entry_name: str | None = None
    validation_path: str | None = None
    model: str | None = None
    max_length: int = 1024


@dataclass(frozen=True)
class LocatedCheck:
    """Where the data and the model of a check are."""

    path: Path
    validation: Path | None
    model: str | None


def locate(session: Session, request: CheckRequest, actor: Principal, context: DomainContext) -> LocatedCheck:
    """Raises DatasetNotFound, DatasetRefused, ModelNotFound, and what a reference to a stored dataset may raise."""
    if request.recipe not in learning_recipes():
        known = ", ".join(learning_recipes())
        raise DatasetRefused(
            f"recipe: learns from no dataset; known: {known}", issues=[Issue("recipe", f"known: {known}")]
        )
    validation = request.validation_path
    return LocatedCheck(
        path=_locate(session, "path", request.path, actor, context),
        validation=None if validation is None else _locate(session, "validation_path", validation, actor, context),
        model=None if request.model is None else resolve(session, request.model, context, actor).model,
    )


def inspect(request: CheckRequest, located: LocatedCheck, context: DomainContext) -> DatasetCheck:
    """Check and measure the data, which takes long where they are large: no session should be open.

    Raises DatasetNotFound and DatasetRefused.
    """
    report = report_on(
        located.path, recipe=request.recipe, entry_name=request.entry_name, validation=located.validation
    )
    if located.model is None or not report.ok:
        return dataset_check_of(report, None)
    measured = measure_tokens(
        located.path,
        recipe=request.recipe,
        model=located.model,
        max_length=request.max_length,
        context=context,
        entry_name=request.entry_name,
    )
    return dataset_check_of(report, measured)


def with_requested_names(
    session: Session, check: DatasetCheck, request: CheckRequest, actor: Principal, context: DomainContext
) -> DatasetCheck:
    """Return the result with the files as the request names them.

    Raises DatasetNotFound where an entry in a folder's dataset_info.json led to a file that `actor` may not see.
    """
    _refuse_hidden(session, check.file, "path", request.path, actor, context)
    update: dict[str, object] = {"file": Path(request.path)}
    if check.overlap is not None:
        validation = request.validation_path or ""
        _refuse_hidden(session, check.overlap.file, "validation_path", validation, actor, context)
        update["overlap"] = check.overlap.model_copy(update={"file": Path(validation)})
    return check.model_copy(update=update)


def _locate(session: Session, field: str, text: str, actor: Principal, context: DomainContext) -> Path:
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
