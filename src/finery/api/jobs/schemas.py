"""Request and response bodies of trainings, jobs and uploads in the jobs dialect."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.recipes import DpoConfig, SftConfig
from finery.contracts.recipes.base import PlainPath
from finery.contracts.visible_text import ClientId

BatchSize = Annotated[int, Field(ge=1, le=128)]
LearningRate = Annotated[float, Field(gt=0.0, le=10.0, allow_inf_nan=False)]


class SftRequest(SftConfig):
    """Takes every further key of the SFT recipe, too."""

    # With `defer_build`, FastAPI would build the adapter in whatever thread comes first, without a lock.
    model_config = ConfigDict(defer_build=False)

    output_dir: PlainPath
    num_epochs: Annotated[int, Field(ge=1, le=100)] = 3
    batch_size: BatchSize = 4
    learning_rate: LearningRate = 2e-5
    use_lora: bool = True


class DpoRequest(DpoConfig):
    """Takes every further key of the DPO recipe, too."""

    model_config = ConfigDict(defer_build=False)

    output_dir: PlainPath
    num_epochs: Annotated[int, Field(ge=1, le=10)] = 1
    batch_size: BatchSize = 4
    learning_rate: LearningRate = 5e-7
    beta: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 0.1
    use_lora: bool = True


class Accepted(BaseModel):
    job_id: str
    status: str
    message: str


class NewJob(BaseModel):
    """A training that runs elsewhere and is tracked here."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())

    job_id: ClientId
    model_name: Annotated[str, Field(min_length=1, max_length=4096)]
    dataset: Annotated[str, Field(min_length=1, max_length=4096)]
    hyperparameters: dict[str, Any] = {}


class ReportedStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StatusReport(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: ReportedStatus
    error_message: Annotated[str, Field(max_length=100_000)] | None = None


class StatusWord(StrEnum):
    """A job's status as a filter; `queued` and `pending` find the same jobs, and so do `succeeded` and `completed`."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(BaseModel):
    model_config = ConfigDict(protected_namespaces=())

    id: str
    job_id: str
    training_type: str
    model_name: str | None
    dataset: str | None
    hyperparameters: dict[str, Any]
    status: str
    """In the words of the API that created it: `pending` and `completed`, or `queued` and `succeeded`."""
    config: dict[str, Any]
    """The settings of the training, defaults included."""
    created_at: str
    started_at: str | None
    updated_at: str
    completed_at: str | None
    error_message: str | None
    log_file: str | None
    output_dir: str | None
    progress: dict[str, Any]


class JobCancelled(BaseModel):
    message: str
    job_id: str
    status: str


class JobLogs(BaseModel):
    job_id: str
    logs: list[str]
    total_lines: int


class UploadedFile(BaseModel):
    message: str
    file_path: str
    filename: str
    size: int
