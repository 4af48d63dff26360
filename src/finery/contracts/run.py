"""A run, as every side sees it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.status import Intent, Reason, RunStatus


class Resources(BaseModel):
    """What a run holds exclusively while it lives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpus: int | None = Field(default=None, ge=0, le=1024)
    """None: one GPU where the machine has any, else none."""
    cpu_slots: int = Field(default=1, ge=0, le=1024)
    """For a run without a GPU; a run with one leases no slot."""


class Progress(BaseModel):
    """The newest figures; all optional, since recipes differ."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    fraction: float = 0.0
    """0 to 1."""
    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    total_epochs: float | None = None
    loss: float | None = None
    learning_rate: float | None = None
    eta_seconds: float | None = None
    stage: str | None = None


class NewRun(BaseModel):
    """A request for a run, in the core's words: a dialect maps its body to this."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str | None = None
    """Chosen by the client of a dialect that allows it; else eight hexadecimal digits are drawn."""
    source: str
    """The dialect that asks (`native`, `train`, `registry`, …); it decides the words of its answers there."""
    recipe: str
    """A key of contracts.recipes.RECIPES, or `external`."""
    config: dict[str, Any] = {}
    """The recipe's configuration, not yet validated; for `external`, whatever the client says."""
    name: str | None = Field(default=None, max_length=200)
    labels: dict[str, str] = {}
    priority: int = Field(default=0, ge=-1000, le=1000)
    resources: Resources = Resources()
    time_limit_seconds: float | None = Field(default=None, gt=0, le=10_000_000, allow_inf_nan=False)
    """Of each attempt: a run that was paused or lost has it anew."""
    idempotency_key: str | None = Field(default=None, max_length=200)


class Run(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    number: int
    """Grows with every run; the order of acceptance."""
    source: str
    recipe: str
    name: str | None
    labels: dict[str, str]
    config: dict[str, Any]
    """The validated configuration, defaults included."""
    requested: dict[str, Any]
    """The configuration as it was asked for."""
    resources: Resources
    priority: int
    time_limit_seconds: float | None
    status: RunStatus
    intent: Intent | None
    reason: Reason | None
    error: str | None
    attempt: int
    progress: Progress
    model_name: str | None
    dataset: str | None
    output_dir: str | None
    log_file: str | None
    """Both relative to home where they lie there."""
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_sequence: int
    """The sequence number of its newest event."""


class RunFilter(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    statuses: frozenset[RunStatus] = frozenset()
    """Empty: all."""
    recipe: str | None = None
    label: tuple[str, str] | None = None


class RunPage(BaseModel):
    """Newest first."""

    runs: list[Run]
    next_cursor: str | None


class Artifact(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: int
    run_id: str
    name: str
    type: str
    path: str
    size_bytes: int
    sha256: str | None
    """Hex; of a folder, over its sorted `<hash>  <relative path>` lines. None until it is computed."""
    created_at: datetime
