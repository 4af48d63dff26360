"""Request and response bodies of the native API that `finery.contracts` does not hold."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.checkpoint import Checkpoint
from finery.contracts.deployment import Deployment, EngineChoice, EngineOptions, ModelInfo
from finery.contracts.events import Event
from finery.contracts.machine import Machine
from finery.contracts.numbers import StrictNumbers
from finery.contracts.recipe_reference import RecipeSummary
from finery.contracts.recipes.base import PathText
from finery.contracts.run import Artifact, LabelText, Resources
from finery.contracts.stored_datasets import Dataset, DatasetVersion
from finery.contracts.sweeps import Goal, MetricName
from finery.contracts.webhooks import Webhook

SafeId = Annotated[str, Field(min_length=1, max_length=128)]


class CreateRunRequest(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    recipe: Annotated[str, Field(max_length=32)]
    config: dict[str, Any]
    """The recipe's configuration."""
    id: SafeId | None = None
    """Default: eight random hexadecimal digits."""
    name: LabelText | None = None
    labels: Annotated[dict[LabelText, LabelText], Field(max_length=50)] = {}
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    resources: Resources = Resources()
    time_limit_seconds: Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)] | None = None
    shared: bool = False
    """Seen by all who may read runs."""


class CreateSweepRequest(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    recipe: Annotated[str, Field(max_length=32)]
    config: dict[str, Any]
    """The recipe's configuration, in which any field may hold a list of values: each combination is a run, at most 100.
    Of a field that takes a list by nature, as `lora_target_modules`, the values are lists in a list."""
    name: LabelText | None = None
    """The beginning of the runs' names, which go on with what differs: `lr=1e-4 · rank=8`."""
    labels: Annotated[dict[LabelText, LabelText], Field(max_length=50)] = {}
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    resources: Resources = Resources()
    """The devices that each run holds while it executes."""
    time_limit_seconds: Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)] | None = None
    shared: bool = False
    """Seen by all who may read runs, and its runs, too."""
    metric: MetricName | None = None
    """By which the best run is found, as `eval_loss`, `token_accuracy` or `eval_reward`. Default: the loss of the
    evaluation, or its reward where a grader gives one; without an evaluation, training's."""
    goal: Goal | None = None
    """Whether the best has the smallest or the largest value. Default: the largest of accuracies, rewards and scores,
    and else the smallest."""


class EventList(BaseModel):
    """Events in order; `after` with the last one's sequence number leads to the next ones."""

    events: list[Event]


class MetricList(BaseModel):
    points: list[dict[str, Any]]
    """Each has `type` (progress or evaluation), `at`, `step` and its metrics."""


class ArtifactList(BaseModel):
    artifacts: list[Artifact]


class LogAnswer(BaseModel):
    """Holds `lines` and `total_lines` with `tail`, `text` and `next_offset` with `offset`."""

    lines: list[str] | None = None
    total_lines: int | None = None
    text: str | None = None
    """A slice of the log, from `offset` on."""
    next_offset: int | None = None


class LogLine(BaseModel):
    offset: int
    """The byte at which the line begins: `offset` of `/logs`, or the begin of a range of `/logs/content`."""
    text: str
    """Without colours; of a long line the part around what was found."""


class LogSearchAnswer(BaseModel):
    lines: list[LogLine]
    next_offset: int | None
    """The `offset` from which the search goes on; null: it reached the end."""


class CheckpointList(BaseModel):
    checkpoints: list[Checkpoint]
    """Those that are still there, newest first."""


class CreateDeploymentRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: PathText
    slot: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    """A role that one of your deployments has at a time; the one that had it before is stopped."""
    engine: EngineChoice = "auto"
    """`auto`: vLLM where it is installed and there is a GPU, else our own."""
    options: EngineOptions = EngineOptions()
    shared: bool = False
    """Seen and used by all who may read and use deployments."""


class RecipeList(BaseModel):
    recipes: list[RecipeSummary]
    """The training methods that this server knows."""


class DeploymentList(BaseModel):
    deployments: list[Deployment]


class ModelList(BaseModel):
    models: list[ModelInfo]
    """The built-in models and the outputs of runs."""


class NewDatasetForm(BaseModel):
    """The form fields beside the file."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    note: str | None = None
    shared: bool = False


class NewVersionForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: str | None = None


class StoredDataset(Dataset):
    """A dataset, with the file of its newest version at the top level."""

    path: str
    """Usable as `dataset_path`."""
    size_bytes: int
    sha256: str
    filename: str


class VersionList(BaseModel):
    """A dataset's versions, newest first."""

    versions: list[DatasetVersion]


class RestoreVersion(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    note: Annotated[str, Field(max_length=4000)] | None = None


class DatasetChanges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=1000)] | None = None
    shared: bool | None = None


class WebhookList(BaseModel):
    """Webhooks, newest first."""

    webhooks: list[Webhook]


class RotateSecretRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keep_old: bool = True
    """For 24 hours messages are signed with the old secret, too."""


class System(Machine):
    """The machine, and what runs on it."""

    version: str
    """The version of Finery."""
    python: str
    platform: str
    warm_start: str
    database: str
    disk_total_bytes: int
    """Of the disk that the home lies on."""
    disk_free_bytes: int


class Healthy(BaseModel):
    status: str = "ok"
    """Always `ok`."""


class Ready(BaseModel):
    status: str = "ready"
    """Always `ready`."""
