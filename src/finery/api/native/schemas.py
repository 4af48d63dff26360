"""The wire types of the native API, where contracts has no word for it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.deployment import Deployment, EngineOptions, ModelInfo
from finery.contracts.events import Event
from finery.contracts.machine import Machine
from finery.contracts.recipes.base import PathText
from finery.contracts.run import Artifact, Resources

SafeId = Annotated[str, Field(min_length=1, max_length=128)]
LabelText = Annotated[str, Field(max_length=200)]


class CreateRunRequest(BaseModel):
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
    """A role that one deployment at a time holds; who held it is stopped."""
    options: EngineOptions = EngineOptions()


class DeploymentList(BaseModel):
    deployments: list[Deployment]


class ModelList(BaseModel):
    models: list[ModelInfo]


class UploadedDataset(BaseModel):
    path: str
    """Usable as `dataset_path`."""
    size_bytes: int
    sha256: str
    filename: str


class System(Machine):
    """The machine, and what runs on it."""

    version: str
    python: str
    platform: str
    warm_start: str
    database: str


class Healthy(BaseModel):
    status: str = "ok"
