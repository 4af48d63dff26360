"""Deployments: an engine that serves a model, its options and status, and the models that can be served."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from finery.contracts.base_models import FrozenModel, StrictModel
from finery.contracts.numbers import StrictNumbers

EngineChoice = Annotated[str, Field(min_length=1, max_length=64)]
"""An engine's name, or `auto`. The registry of engines refuses unknown names."""
StartFailure = Literal["model", "engine"]
"""Why a start failed: `model`, which no engine of this kind can load, or `engine`, which may start at another try."""


class DeploymentStatus(StrEnum):
    STARTING = "starting"
    """Accepted; the engine is starting or loading its model."""
    RUNNING = "running"
    """The engine answers requests."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """It ended on request."""
    FAILED = "failed"
    """The engine ended by itself; `error` says how."""

    @property
    def is_finished(self) -> bool:
        return self in (DeploymentStatus.STOPPED, DeploymentStatus.FAILED)


class EngineOptions(StrictNumbers):
    model_config = ConfigDict(frozen=True, extra="forbid")

    load_in_8bit: bool = False
    load_in_4bit: bool = False
    max_context: int | None = Field(default=None, ge=16, le=1_048_576)
    """Tokens of prompt and answer together; None: the model's own context length."""
    chat_template: str | None = Field(default=None, max_length=100_000)
    """Jinja source; None: the model's own template."""


class NewDeployment(StrictModel):
    """A request for an engine that serves a model."""

    model_name: str
    is_path: bool = False
    """Whether it came from a field for paths: an existing folder then wins over a hub id of the same name."""
    slot: str | None = None
    """A role that one deployment per owner has at a time; the deployment that had it before is stopped."""
    options: EngineOptions = EngineOptions()
    engine: EngineChoice = "auto"
    """`auto`: the best of the installed engines; vLLM if there is a GPU, else the transformers engine."""
    shared: bool = False
    """Visible to and usable by everyone with the permissions to read and use deployments."""


class DeploymentChanges(StrictModel):
    shared: bool


class Deployment(FrozenModel):
    id: str
    owner_id: str | None
    """A user's id; None: no owner."""
    shared: bool
    """Visible to everyone who may read deployments."""
    slot: str | None
    """The owner's own: slots of other owners with the same name are independent."""
    model_name: str
    """The name in the request."""
    model: str
    """The resolved model: a folder, a built-in or a hub id."""
    engine: str
    served_name: str | None = None
    """The engine's name for the model, if it differs from `model_name`."""
    options: EngineOptions
    on_demand: bool = False
    """Started by a request for its model's name; it ends after an idle time."""
    status: DeploymentStatus
    error: str | None
    failure: StartFailure | None = None
    """Set if the engine never answered."""
    port: int | None
    """The engine's port on loopback."""
    device: str | None
    memory_bytes: int | None = None
    """Memory that is leased to the engine; null: none yet."""
    generation: str | None = None
    """How the engine generates, where it has several ways: `plain batches` are slower than `continuous batching`."""
    log_file: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_used_at: datetime | None = None
    """Updated with a delay of some seconds."""


class DeploymentDetails(FrozenModel):
    """Further stored state of a deployment: how its engine is started, and how its starts went."""

    key: str | None = None
    """Deployments with the same key can share one engine. Those of older versions have none."""
    load: str | None = None
    """The model that the engine loads, if it differs from `model`: an adapter's base."""
    adapters: dict[str, str] = {}
    """The name under which the engine serves an adapter → its folder."""
    rank: int | None = None
    """The largest rank of adapters that the engine accepts; None: it accepts none."""
    need: int = 0
    """Leased bytes of memory."""
    slot: str | None = None
    """The slot's name, as its owner chose it."""
    served_name: str | None = None
    """The engine's name for the model, if it differs from `model_name`."""
    device: str | None = None
    generation: str | None = None
    architecture: str | None = None
    """The `model_type` of the loaded model's configuration."""
    failure: StartFailure | None = None
    is_unservable: bool = False
    """Whether the engine has said that it cannot serve this architecture rightly."""
    crashes: list[datetime] = []
    """Times of crashes after which it was started again."""


class ServedModel(FrozenModel):
    """The deployment that answers requests for a model's name."""

    deployment: Deployment
    requested_name: str
    """The model's name in the request, which the answer repeats."""
    name: str
    """The engine's own name for the model."""
    adapter: str | None = None
    """The folder of the adapter that the engine has to load under that name."""
    fingerprints: dict[str, str] = Field(default_factory=dict)
    """Folder → fingerprint of its files, which changes as soon as another model lies there."""


class ModelInfo(FrozenModel):
    """A model that can be named in `model_name`."""

    name: str
    kind: str
    """`alias`, `built-in`, `fine-tuned`, or `output` of a run."""
    description: str
    run_id: str | None = None
    path: str | None = None
    base: str | None = None
    """What its run began from; null: no run made it."""
    is_adapter: bool = False
    """Whether it is an adapter, which is served with its base."""
    created_at: datetime | None = None
    """When its run ended, or a built-in model was made."""
