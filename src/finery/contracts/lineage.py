"""Where a run's model comes from, and what was made of it."""

from datetime import datetime
from enum import StrEnum

from finery.contracts.base_models import FrozenModel
from finery.contracts.status import RunStatus


class LineageRun(FrozenModel):
    run_id: str
    run_name: str | None
    """The run's name; null: it has none."""
    recipe: str
    status: RunStatus
    created_at: datetime


class LineageData(FrozenModel):
    """Data that the run learned from, or was evaluated on."""

    config_field: str
    """The field of its configuration that names them: `dataset_path`."""
    reference: str
    """As the run names them: `dataset:<id>@<version>`, or a path."""
    dataset_id: str | None = None
    """Null: they are no stored dataset."""
    dataset_name: str | None = None
    """Null: the dataset was deleted, or the caller may not see it."""
    version: int | None = None
    """The dataset's version; null: they are no stored dataset."""


class LineageModel(FrozenModel):
    """A model that the run began from, or asks."""

    config_field: str
    """The field of its configuration that names it: `model_name`."""
    model: str
    """As the run names it."""
    made_by: LineageRun | None = None
    """The run whose output it is; null: none here that the caller may see."""


class Relation(StrEnum):
    """How a run goes on from another."""

    MODEL = "model"
    """It uses the model."""
    RESUMED = "resumed"
    """It began from the last checkpoint."""


class Descendant(FrozenModel):
    run: LineageRun
    """A later run."""
    relation: Relation
    """How it goes on from the run."""


class RunLineage(FrozenModel):
    run: LineageRun
    """The run itself."""
    datasets: list[LineageData]
    """What it read."""
    models: list[LineageModel]
    """What it began from."""
    resumed_from: LineageRun | None
    """The run from whose last checkpoint it began; null: from none that the caller may see."""
    output_dir: str | None
    """Where its model lies; null: it has none."""
    descendants: list[Descendant]
    """The first hundred runs that go on from it, oldest first."""
