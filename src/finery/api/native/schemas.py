"""The wire types of the native API, where contracts has no word for it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.deployment import Deployment, EngineChoice, EngineOptions, ModelInfo
from finery.contracts.events import Event
from finery.contracts.machine import Machine
from finery.contracts.numbers import PlainNumbers
from finery.contracts.recipes.base import PathText
from finery.contracts.run import Artifact, LabelText, Resources
from finery.contracts.stored_datasets import Dataset, DatasetVersion

SafeId = Annotated[str, Field(min_length=1, max_length=128)]


class CreateRunRequest(PlainNumbers):
    model_config = ConfigDict(extra="forbid")

    recipe: Annotated[str, Field(max_length=32)]
    config: dict[str, Any]
    """The recipe's configuration."""
    id: SafeId | None = None
    """Default: eight hexadecimal digits are drawn."""
    name: LabelText | None = None
    labels: Annotated[dict[LabelText, LabelText], Field(max_length=50)] = {}
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    resources: Resources = Resources()
    time_limit_seconds: Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)] | None = None
    shared: bool = False
    """Seen by all who may read runs."""


class EventList(BaseModel):
    """In order; ask again with `after` of the last one."""

    events: list[Event]


class MetricList(BaseModel):
    points: list[dict[str, Any]]
    """Each with `type` (progress or evaluation), `at`, `step` and its figures."""


class ArtifactList(BaseModel):
    artifacts: list[Artifact]


class LogAnswer(BaseModel):
    """With `tail`: `lines` and `total_lines`. With `offset`: `text` and `next_offset`."""

    lines: list[str] | None = None
    total_lines: int | None = None
    text: str | None = None
    next_offset: int | None = None


class CreateDeploymentRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: PathText
    slot: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")] | None = None
    """A role that one deployment of yours holds at a time; what held it is stopped."""
    engine: EngineChoice = "auto"
    """`auto`: vLLM where it is installed and there is a GPU, else our own."""
    options: EngineOptions = EngineOptions()
    shared: bool = False
    """Seen and used by all who may read and use deployments."""


class DeploymentList(BaseModel):
    deployments: list[Deployment]


class ModelList(BaseModel):
    models: list[ModelInfo]


class NewDatasetForm(BaseModel):
    """What the form holds beside the file."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    note: str | None = None
    shared: bool = False


class NewVersionForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: str | None = None


class StoredDataset(Dataset):
    """With what its newest version's file is, at the top."""

    path: str
    """Usable as `dataset_path`."""
    size_bytes: int
    sha256: str
    filename: str


class VersionList(BaseModel):
    """Newest first."""

    versions: list[DatasetVersion]


class RestoreVersion(PlainNumbers):
    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    note: Annotated[str, Field(max_length=4000)] | None = None


class DatasetChanges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=1000)] | None = None
    shared: bool | None = None


class System(Machine):
    """The machine, and what runs on it."""

    version: str
    python: str
    platform: str
    warm_start: str
    database: str


class Healthy(BaseModel):
    status: str = "ok"


class Ready(BaseModel):
    status: str = "ready"
