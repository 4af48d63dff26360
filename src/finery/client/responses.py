"""Data classes of the native API's answers that `finery.contracts` does not hold."""

from pydantic import BaseModel, ConfigDict

from finery.contracts.deployment import Deployment, ModelInfo
from finery.contracts.events import Event, EventType
from finery.contracts.machine import Machine
from finery.contracts.recipe_reference import RecipeSummary
from finery.contracts.run import Artifact


class Answer(BaseModel):
    """Base class that ignores unknown keys, so that a newer server can say more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ErrorIssue(Answer):
    field: str | None = None
    message: str = ""
    line: int | None = None
    code: str = "invalid"


class ErrorDetail(Answer):
    code: str
    message: str
    errors: list[ErrorIssue] = []


class ErrorAnswer(Answer):
    error: ErrorDetail


class EventList(Answer):
    events: list[Event]


class ArtifactList(Answer):
    artifacts: list[Artifact]


class ArtifactFile(Answer):
    path: str
    """Relative to the artifact."""
    size_bytes: int


class ArtifactFiles(Answer):
    files: list[ArtifactFile]


class System(Machine):
    """The server's machine, and what runs on it."""

    version: str
    python: str
    platform: str
    warm_start: str
    """Whether trainings start in a process that has loaded torch already: `ready`, `starting` or `off`."""
    database: str
    disk_total_bytes: int
    disk_free_bytes: int


class DeploymentList(Answer):
    deployments: list[Deployment]


class ModelList(Answer):
    models: list[ModelInfo]


class RecipeList(Answer):
    recipes: list[RecipeSummary]


class LogTail(Answer):
    """The last lines of a run's log."""

    lines: list[str]
    total_lines: int
    """The number of lines in the whole log."""


class LogSlice(Answer):
    """A part of a run's log, cut at a line's end."""

    text: str
    next_offset: int
    """In bytes; the next slice starts here."""


class MetricPoint(BaseModel):
    """The metrics of one moment; which ones there are depends on the recipe."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: EventType
    """`progress` or `evaluation`."""
    at: float
    step: int | None = None
    loss: float | None = None


class MetricList(Answer):
    points: list[MetricPoint]


class UploadedDataset(Answer):
    path: str
    """Usable as `dataset_path`."""
    size_bytes: int
    sha256: str
    filename: str
