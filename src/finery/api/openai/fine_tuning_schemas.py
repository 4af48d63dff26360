"""Request and response bodies of `/v1/fine_tuning/jobs`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from finery.contracts.numbers import StrictNumbers
from finery.contracts.visible_text import PLAIN

Auto = Literal["auto"]
Epochs = Annotated[int, Field(ge=1, le=1000)] | Auto
BatchSize = Annotated[int, Field(ge=1, le=4096)] | Auto
Multiplier = Annotated[float, Field(gt=0.0, le=1000.0, allow_inf_nan=False)] | Auto
Beta = Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] | Auto
FileId = Annotated[str, Field(min_length=1, max_length=200)]
MetadataKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r'^[^"\\]+$')]
MetadataValue = Annotated[str, Field(max_length=512)]
Suffix = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^:/\x00-\x1f\x7f]+$"), PLAIN]
TrackerText = Annotated[str, Field(min_length=1, max_length=200)]


class StrictBody(StrictNumbers):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Hyperparameters(StrictBody):
    """What is `auto` or null is chosen from the data and the model, and reported."""

    n_epochs: Epochs | None = None
    batch_size: BatchSize | None = None
    learning_rate_multiplier: Multiplier | None = None


class DpoHyperparameters(Hyperparameters):
    beta: Beta | None = None


class ReinforcementHyperparameters(Hyperparameters):
    compute_multiplier: Multiplier | None = None
    eval_interval: Annotated[int, Field(ge=1, le=1_000_000)] | Auto | None = None
    eval_samples: Annotated[int, Field(ge=1, le=64)] | Auto | None = None
    reasoning_effort: Literal["default"] | None = None
    """The models here have no other."""


class Supervised(StrictBody):
    hyperparameters: Hyperparameters | None = None


class Dpo(StrictBody):
    hyperparameters: DpoHyperparameters | None = None


class Reinforcement(StrictBody):
    grader: dict[str, JsonValue]
    hyperparameters: ReinforcementHyperparameters | None = None


class Method(StrictBody):
    type: Literal["supervised", "dpo", "reinforcement"]
    """The method's name."""
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Reinforcement | None = None


class Wandb(StrictBody):
    project: TrackerText
    name: TrackerText | None = None
    entity: TrackerText | None = None
    tags: Annotated[list[TrackerText], Field(max_length=50)] | None = None


class Integration(StrictBody):
    type: Literal["wandb"]
    wandb: Wandb


class CreateJobRequest(StrictBody):
    model: Annotated[str, Field(min_length=1, max_length=4096)]
    """The base model: a name of the model table, a built-in one, a folder, an earlier model, or a hub id."""
    training_file: FileId
    validation_file: FileId | None = None
    suffix: Suffix | None = None
    """A part of the finished model's name, of one's own choice."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] | None = None
    integrations: Annotated[list[Integration], Field(max_length=1)] | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None
    """The form from before `method` existed; older clients send it."""


class JobError(BaseModel):
    code: str
    message: str
    param: str | None


class FineTuningJob(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int
    finished_at: int | None
    estimated_finish: int | None
    model: str
    fine_tuned_model: str | None
    organization_id: str
    status: Literal["validating_files", "queued", "running", "pausing", "paused", "succeeded", "failed", "cancelled"]
    training_file: str
    validation_file: str | None
    result_files: list[str]
    trained_tokens: int | None
    hyperparameters: dict[str, Any]
    method: dict[str, Any]
    seed: int
    integrations: list[dict[str, Any]]
    metadata: dict[str, str]
    error: JobError | None


class JobPage(BaseModel):
    object: Literal["list"] = "list"
    data: list[FineTuningJob]
    """The jobs on this page, newest first."""
    has_more: bool


class JobEvent(BaseModel):
    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    """Whether it tells metrics or only has a message."""
    data: dict[str, Any]
    """The metrics, where `type` is `metrics`."""


class EventPage(BaseModel):
    object: Literal["list"] = "list"
    data: list[JobEvent]
    """The events on this page, newest first."""
    has_more: bool


class CheckpointMetrics(BaseModel):
    step: int
    train_loss: float | None = None
    train_mean_token_accuracy: float | None = None
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None


class JobCheckpoint(BaseModel):
    id: str
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: CheckpointMetrics


class CheckpointPage(BaseModel):
    object: Literal["list"] = "list"
    data: list[JobCheckpoint]
    """The checkpoints on this page, newest first."""
    has_more: bool
    first_id: str | None
    last_id: str | None
