from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.builtin import BUILTIN_MODELS
from finery.contracts.deployment import ModelInfo
from finery.contracts.status import RunStatus
from finery.domain.ground import Ground
from finery.models import RunRow

NEWEST = 500


def list_models(session: Session, ground: Ground) -> list[ModelInfo]:
    """The built-in models, then the outputs of succeeded runs that still exist, newest first (500 at most)."""
    built_in = [ModelInfo(name=name, kind="built-in", description=text) for name, text in BUILTIN_MODELS.items()]
    query = (
        select(RunRow)
        .where(RunRow.status == RunStatus.SUCCEEDED, RunRow.model_name.is_not(None), RunRow.output_dir.is_not(None))
        .order_by(RunRow.number.desc())
        .limit(NEWEST)
    )
    outputs, seen = [], set()
    for row in session.scalars(query):
        if row.output_dir is None or row.output_dir in seen or not (ground.home.path / row.output_dir).is_dir():
            continue
        seen.add(row.output_dir)
        outputs.append(_output(row, row.output_dir))
    return built_in + outputs


def _output(row: RunRow, output_dir: str) -> ModelInfo:
    return ModelInfo(
        name=output_dir,
        kind="output",
        description=f"{row.recipe} of {row.model_name}",
        run_id=row.id,
        path=output_dir,
    )
