"""One running engine, as every side sees it."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


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


class EngineOptions(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    load_in_8bit: bool = False
    load_in_4bit: bool = False
    max_context: int | None = Field(default=None, ge=16, le=1_048_576)
    """Tokens of prompt and answer together; None: what the model was made for."""


class Deployment(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    slot: str | None
    model_name: str
    """As it was asked for."""
    model: str
    """As it was resolved."""
    engine: str
    options: EngineOptions
    status: DeploymentStatus
    error: str | None
    port: int | None
    """On loopback."""
    device: str | None
    log_file: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ModelInfo(BaseModel):
    """A name that `model_name` may hold."""

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str
    """`built-in`, or `output` of a run."""
    description: str
    run_id: str | None = None
    path: str | None = None
