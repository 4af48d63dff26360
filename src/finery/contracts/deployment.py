"""One running engine, as every side sees it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.numbers import PlainNumbers

EngineChoice = Annotated[str, Field(min_length=1, max_length=64)]
"""An engine's name, or `auto`. Whoever knows the engines refuses what is neither."""
StartFailure = Literal["model", "engine"]
"""On what a start failed: on the model, which no engine of this kind can load, or on the engine, which another try may
bring up.
"""


class DeploymentStatus(StrEnum):
    STARTING = "starting"
    """Accepted; the engine is being started, or loads its model."""
    RUNNING = "running"
    """It answers."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Ended on request."""
    FAILED = "failed"
    """Ended by itself; `error` says how."""

    @property
    def is_finished(self) -> bool:
        return self in (DeploymentStatus.STOPPED, DeploymentStatus.FAILED)


class EngineOptions(PlainNumbers):
    model_config = ConfigDict(frozen=True, extra="forbid")

    load_in_8bit: bool = False
    load_in_4bit: bool = False
    max_context: int | None = Field(default=None, ge=16, le=1_048_576)
    """Tokens of prompt and answer together; None: what the model was made for."""
    chat_template: str | None = Field(default=None, max_length=100_000)
    """Jinja; None: the model's own."""


class NewDeployment(BaseModel):
    """A request for an engine that serves a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_name: str
    is_path: bool = False
    """Whether that stood in a field for paths: a folder that is there is meant then, whatever a hub has."""
    slot: str | None = None
    """A role that one deployment of an owner holds at a time; what held it is stopped."""
    options: EngineOptions = EngineOptions()
    engine: EngineChoice = "auto"
    """`auto`: what serves it best of the engines that are installed; vLLM where there is a GPU, else our own."""
    shared: bool = False
    """Seen and used by all who may read and use deployments."""


class DeploymentChanges(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    shared: bool


class Deployment(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    owner_id: str | None
    """A user's id; None: nobody's."""
    shared: bool
    """Seen by all who may read deployments."""
    slot: str | None
    """One of the owner's own: another's of the same name is not touched by it."""
    model_name: str
    """As it was asked for."""
    model: str
    """As it was resolved."""
    engine: str
    served_name: str | None = None
    """What its engine calls the model, where that is not `model_name`."""
    options: EngineOptions
    on_demand: bool = False
    """Started by a request for its model's name; ends when nobody has asked for a while."""
    status: DeploymentStatus
    error: str | None
    failure: StartFailure | None = None
    """Of one that never answered."""
    port: int | None
    """On loopback."""
    device: str | None
    log_file: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_used_at: datetime | None = None
    """Some seconds behind."""


class DeploymentDetails(BaseModel):
    """What is stored of a deployment besides: how its engine is started, and how its starts went."""

    model_config = ConfigDict(frozen=True)

    key: str | None = None
    """The same for all that one engine can serve. A deployment from before there were any has none."""
    load: str | None = None
    """What the engine loads, where that is not `model`: an adapter's base."""
    adapters: dict[str, str] = {}
    """The name under which the engine serves it → its folder."""
    rank: int | None = None
    """Of adapters, up to which the engine has room; None: it takes none."""
    need: int = 0
    """Bytes of memory that it leases."""
    slot: str | None = None
    """As its owner calls it."""
    served_name: str | None = None
    """What the engine calls the model, where that is not `model_name`."""
    device: str | None = None
    failure: StartFailure | None = None
    crashes: list[datetime] = []
    """After which it was started again."""


class ServedModel(BaseModel):
    """Where a model's name is answered."""

    model_config = ConfigDict(frozen=True)

    deployment: Deployment
    asked: str
    """The name in the request, and in the answer."""
    name: str
    """The engine's own name for it."""
    adapter: str | None = None
    """The folder of what the engine has to load under that name."""
    fingerprints: dict[str, str] = Field(default_factory=dict)
    """Of the folders that it is loaded from, by path: another one as soon as there is another model."""


class ModelInfo(BaseModel):
    """A name that `model_name` may hold."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str
    """`alias`, `built-in`, `fine-tuned`, or `output` of a run."""
    description: str
    run_id: str | None = None
    path: str | None = None
    created_at: datetime | None = None
    """When its run ended."""
