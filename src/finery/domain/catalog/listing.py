"""Lists the models that a user may name."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.builtin_models import BUILTIN_CREATED, BUILTIN_MODELS
from finery.contracts.deployment import ModelInfo
from finery.contracts.model_folder import is_adapter
from finery.contracts.model_names import fine_tuned_name
from finery.contracts.permissions import Principal
from finery.contracts.status import RunStatus
from finery.domain.context import DomainContext
from finery.domain.ownership import runs_visible_to
from finery.models import RunRow

NEWEST = 500


def list_models(session: Session, context: DomainContext, actor: Principal) -> list[ModelInfo]:
    """List the administrator's names, the built-in models, then the outputs of succeeded runs that still exist.

    Of the runs these are the 500 newest, newest first, each under its path and under its fine-tuned name. What `actor`
    may not see is left out, also a folder of theirs into which a hidden run writes by now.
    """
    aliases = [
        ModelInfo(name=name, kind="alias", description=entry.description or f"stands for {entry.model}")
        for name, entry in context.models.items()
    ]
    built_in = [
        ModelInfo(name=name, kind="built-in", description=text, created_at=BUILTIN_CREATED)
        for name, text in BUILTIN_MODELS.items()
    ]
    hidden = select(RunRow.output_hash).where(~runs_visible_to(actor), RunRow.output_hash.is_not(None))
    query = (
        select(RunRow)
        .where(RunRow.status == RunStatus.SUCCEEDED, RunRow.model_name.is_not(None), RunRow.output_dir.is_not(None))
        .where(runs_visible_to(actor), RunRow.output_hash.not_in(hidden))
        .order_by(RunRow.number.desc())
        .limit(NEWEST)
    )
    outputs, seen = [], set()
    for row in session.scalars(query):
        if row.output_dir is None or row.output_dir in seen or not (context.home.path / row.output_dir).is_dir():
            continue
        seen.add(row.output_dir)
        output = _model_of(row, row.output_dir, is_adapter=is_adapter(context.home.path / row.output_dir))
        name = fine_tuned_name(row.model_name or "", row.name, row.id)
        outputs += [output, output.model_copy(update={"name": name, "kind": "fine-tuned"})]
    return aliases + built_in + outputs


def _model_of(row: RunRow, output_dir: str, *, is_adapter: bool) -> ModelInfo:
    return ModelInfo(
        name=output_dir,
        kind="output",
        description=f"{row.recipe} of {row.model_name}",
        run_id=row.id,
        path=output_dir,
        base=row.model_name,
        is_adapter=is_adapter,
        created_at=row.finished_at,
    )
