"""Tells where a run's model comes from, and which runs go on from it."""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from finery.contracts.lineage import Descendant, LineageData, LineageModel, LineageRun, Relation, RunLineage
from finery.contracts.permissions import Principal
from finery.contracts.resolved_run import ResolvedData
from finery.contracts.status import RunStatus
from finery.domain.context import DomainContext
from finery.domain.datasets.queries import visible_to
from finery.domain.ownership import runs_visible_to
from finery.domain.path_access import run_of_output
from finery.domain.runs.model_users import names_folder
from finery.domain.runs.queries import find_row
from finery.models import DatasetRow, RunRow

SHOWN = 100


def lineage(session: Session, run_id: str, actor: Principal, context: DomainContext) -> RunLineage:
    """Return what `actor` may see of it. Raises RunNotFound, RunAmbiguous."""
    row = find_row(session, run_id, actor)
    return RunLineage(
        run=_run_of(row),
        datasets=[_data_of(session, row, field, data, actor) for field, data in row.spec.datasets.items()],
        models=[_model_of(session, row, field, model, actor, context) for field, model in row.spec.models.items()],
        resumed_from=_visible(session, row.resumed_from, actor),
        output_dir=row.output_dir,
        descendants=list(_descendants(session, row, actor)),
    )


def _data_of(session: Session, row: RunRow, field: str, data: ResolvedData, actor: Principal) -> LineageData:
    reference = str(row.config.get(field) or data.path.name)
    if data.stored is None or data.stored.dataset is None:
        return LineageData(config_field=field, reference=reference)
    query = select(DatasetRow.name).where(DatasetRow.id == data.stored.dataset, visible_to(actor))
    return LineageData(
        config_field=field,
        reference=reference,
        dataset_id=data.stored.dataset,
        dataset_name=session.scalars(query).one_or_none(),
        version=data.stored.version,
    )


def _model_of(
    session: Session, row: RunRow, field: str, model: str, actor: Principal, context: DomainContext
) -> LineageModel:
    name = str(row.config.get(field) or context.resolver.shown(model))
    maker = next(filter(None, (_visible(session, run_id, actor) for run_id in _makers(Path(model), context))), None)
    is_earlier = maker is not None and maker.created_at <= row.created_at
    return LineageModel(config_field=field, model=name, made_by=maker if is_earlier else None)


def _makers(model: Path, context: DomainContext) -> Iterator[str]:
    """Yield ids of the run that may have made the model: its output, a folder in that, or one of its checkpoints."""
    if not model.is_absolute():
        return
    for folder in (model, model.parent):
        if (run_id := run_of_output(folder)) is not None:
            yield run_id
    runs = context.home.path / "runs"
    if model.is_relative_to(runs) and model != runs:
        yield model.relative_to(runs).parts[0]


def _descendants(session: Session, row: RunRow, actor: Principal) -> Iterator[Descendant]:
    folder = row.spec.output_dir
    goes_on = RunRow.resumed_from == row.id
    if folder is not None and row.status == RunStatus.SUCCEEDED:
        goes_on = or_(goes_on, names_folder(folder))
    query = select(RunRow).where(RunRow.number > row.number, runs_visible_to(actor), goes_on)
    for other in session.scalars(query.order_by(RunRow.number).limit(SHOWN)):
        if other.resumed_from == row.id:
            yield Descendant(run=_run_of(other), relation=Relation.RESUMED)
        # Its output may lie in the same folder, which is no use of the model.
        elif folder is not None and any(Path(model).is_relative_to(folder) for model in other.spec.models.values()):
            yield Descendant(run=_run_of(other), relation=Relation.MODEL)


def _visible(session: Session, run_id: str | None, actor: Principal) -> LineageRun | None:
    if run_id is None:
        return None
    row = session.scalars(select(RunRow).where(RunRow.id == run_id, runs_visible_to(actor))).one_or_none()
    return None if row is None else _run_of(row)


def _run_of(row: RunRow) -> LineageRun:
    return LineageRun(
        run_id=row.client_id or row.id,
        run_name=row.name,
        recipe=row.recipe,
        status=RunStatus(row.status),
        created_at=row.created_at,
    )
