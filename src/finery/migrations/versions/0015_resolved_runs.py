"""resolved runs: models, datasets and folders are stored by the field of the configuration that names them"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

Json = dict[str, Any]
RUNS = sa.table("runs", sa.column("number", sa.BigInteger), sa.column("config", sa.JSON), sa.column("spec", sa.JSON))
DATASETS = {"dataset_path": "dataset", "eval_dataset_path": "eval_dataset"}
"""Field → its key before."""
KEPT = ("output_dir", "forgotten_output", "secrets", "customary_secrets")
BATCH = 1000


def upgrade() -> None:
    _rewrite(_by_field)


def downgrade() -> None:
    _rewrite(_by_name)


def _rewrite(change: Callable[[Json, Json], Json]) -> None:
    number = 0
    columns = (RUNS.c.number, RUNS.c.config, RUNS.c.spec)
    query = sa.select(*columns).order_by(RUNS.c.number).limit(BATCH)
    changed = sa.update(RUNS).where(RUNS.c.number == sa.bindparam("run")).values(spec=sa.bindparam("resolved"))
    while found := list(op.get_bind().execute(query.where(RUNS.c.number > number))):
        number = found[-1].number
        rows = [{"run": row.number, "resolved": change(row.config, row.spec)} for row in found]
        op.get_bind().execute(changed, rows)


def _by_field(config: Json, spec: Json) -> Json:
    models = {"model_name": spec.get("model")} | {
        field: (spec.get("judges") or {}).get(name) for field, name in _judges(config).items()
    }
    stored = spec.get("stored") or {}
    datasets = {
        field: {
            "path": spec[key],
            # `dataset_name` chooses an entry of the training data's folder alone.
            "entry": config.get("dataset_name") if field == "dataset_path" else None,
            "stored": stored.get(field),
        }
        for field, key in DATASETS.items()
        if spec.get(key) is not None
    }
    folders = {"working_directory": spec.get("working_directory")}
    resolved = {"models": _given(models), "datasets": datasets, "folders": _given(folders)}
    return _given(resolved | {key: spec.get(key) for key in KEPT})


def _by_name(config: Json, spec: Json) -> Json:
    models, datasets = spec.get("models", {}), spec.get("datasets", {})
    return {
        "model": models.get("model_name"),
        **{key: datasets.get(field, {}).get("path") for field, key in DATASETS.items()},
        "output_dir": spec.get("output_dir"),
        "working_directory": spec.get("folders", {}).get("working_directory"),
        "stored": {field: data["stored"] for field, data in datasets.items() if data.get("stored")},
        "judges": {name: models[field] for field, name in _judges(config).items() if field in models},
        "secrets": spec.get("secrets", []),
        "customary_secrets": spec.get("customary_secrets", []),
        **{key: spec[key] for key in ("forgotten_output",) if key in spec},
    }


def _judges(config: Json) -> dict[str, str]:
    """Returns the fields that name graders' models, and the name that the old form has for each."""
    grader = config.get("grader")
    if not isinstance(grader, dict):
        return {}
    parts = {"grader": grader} | {
        f"grader.graders.{name}": part for name, part in (grader.get("graders") or {}).items()
    }
    return {f"{place}.model": part["model"] for place, part in parts.items() if part.get("type") == "score_model"}


def _given(values: Json) -> Json:
    return {key: value for key, value in values.items() if value not in (None, {}, [])}
