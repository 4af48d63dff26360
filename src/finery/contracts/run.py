"""A run, as every side sees it."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.numbers import PlainNumbers
from finery.contracts.status import Intent, Reason, RunStatus
from finery.contracts.visible_text import PLAIN

EXTERNAL = "external"
"""In place of a recipe: carried out elsewhere, and only told of here."""
LabelText = Annotated[str, Field(max_length=200), PLAIN]


class Resources(PlainNumbers):
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
    """Chosen by the client of a dialect that allows it, beside the run's own: eight hexadecimal digits, drawn."""
    id_prefix: str = ""
    """Before the id that is drawn: a dialect whose ids tell of what they are has 24 hexadecimal digits after it."""
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
    shared: bool = False
    """Seen by all who may read runs."""
    idempotency_key: str | None = Field(default=None, max_length=200)
    is_retry: bool = False
    """Whether the client says that it has sent this before: without a key, an equal request of the last minutes that
    was accepted is the answer."""
    resumed_from: str | None = None
    """The ended run whose last checkpoint it begins from."""
    keep_refused: bool = False
    """Whether a run whose data are bad is kept, failed, instead of refused."""


class RunChanges(BaseModel):
    """Only what is set changes; `name` alone can be cleared with None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shared: bool | None = None
    name: LabelText | None = None
    labels: dict[LabelText, LabelText] | None = Field(default=None, max_length=50)
    """All of them: they replace those before."""


class Run(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    """The one that its client chose, else its own: unique among the runs of its owner."""
    uid: str
    """Its own: unique among all."""
    number: int
    """Grows with every run; the order of acceptance."""
    owner_id: str | None
    """A user's id; None: nobody's."""
    shared: bool
    """Seen by all who may read runs."""
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
    error_field: str | None = None
    """The field of the configuration that the error is about: `dataset_path`."""
    attempt: int
    resumed_from: str | None = None
    """The ended run whose last checkpoint it began from."""
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
    source: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """All of these."""
    without_labels: bool = False


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
