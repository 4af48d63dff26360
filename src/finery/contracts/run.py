"""Runs as services return them and take them: the run, its request, changes, filters, progress and artifacts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.base_models import FrozenModel, StrictModel
from finery.contracts.numbers import StrictNumbers
from finery.contracts.run_sort import RunSort, SortDirection
from finery.contracts.sentences import Sentence
from finery.contracts.status import Intent, Reason, RunStatus
from finery.contracts.visible_text import PLAIN

EXTERNAL = "external"
"""In place of a recipe's name: the run is executed elsewhere, and only reported here."""
LabelText = Annotated[str, Field(max_length=200), PLAIN]


class Resources(StrictNumbers):
    """The resources that a run leases exclusively while it executes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpus: int | None = Field(default=None, ge=0, le=1024)
    """None: one GPU where the machine has any, else none."""
    cpu_slots: int = Field(default=1, ge=0, le=1024)
    """CPU slots of a run without a GPU; a run with a GPU leases none."""


class Progress(BaseModel):
    """The newest metrics of a run; all are optional, since recipes differ."""

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
    evaluation: dict[str, Any] | None = None
    """The metrics of the newest evaluation; null: there was none."""


class RunWarning(StrictModel):
    """Something that a person should know of a run, also where it succeeded. Its event has more details."""

    code: str
    """A stable word for programs: `loss_did_not_fall`."""
    message: str
    """What was seen, and the remedy."""
    setting: str | None = None
    """The field of the configuration that it is about."""


class NewRun(StrictModel):
    """A request for a run. A dialect maps its request body to this."""

    id: str | None = None
    """The id that a client chose, if its dialect allows that; else eight random hexadecimal digits."""
    id_prefix: str = ""
    """Prefix of a generated id, as in `ftjob-`; 24 random hexadecimal digits follow it."""
    source: str
    """The API through which the run came (`native`, `train`, `registry`, …), which decides the form of its answers."""
    recipe: str
    """A key of contracts.recipes.RECIPES, or `external`."""
    config: dict[str, Any] = {}
    """The recipe's configuration, not yet validated; for `external`, any object."""
    name: str | None = Field(default=None, max_length=200)
    labels: dict[str, str] = {}
    priority: int = Field(default=0, ge=-1000, le=1000)
    resources: Resources = Resources()
    time_limit_seconds: float | None = Field(default=None, gt=0, le=10_000_000, allow_inf_nan=False)
    """Limit of each attempt: it starts again after a pause or a lost attempt."""
    shared: bool = False
    """Visible to everyone who may read runs."""
    idempotency_key: str | None = Field(default=None, max_length=200)
    is_retry: bool = False
    """Whether the client says that it sends this again: without a key, an equal request that was accepted in the last
    minutes is the answer."""
    resumed_from: str | None = None
    """The ended run whose last checkpoint it starts from."""
    sweep_id: str | None = None
    """The sweep that it belongs to."""
    keep_refused: bool = False
    """Whether a run with invalid data is stored as failed instead of being refused."""


class RunChanges(StrictModel):
    """Changes the fields that are set; only `name` can be cleared with None."""

    shared: bool | None = None
    name: LabelText | None = None
    labels: dict[LabelText, LabelText] | None = Field(default=None, max_length=50)
    """The complete labels, which replace the previous ones."""


class Run(FrozenModel):
    id: str
    """The id that its client chose, else `uid`; unique among the runs of its owner."""
    uid: str
    """The generated id, unique among all runs."""
    number: int
    """A counter in order of acceptance."""
    owner_id: str | None
    """A user's id; None: no owner."""
    shared: bool
    """Visible to everyone who may read runs."""
    source: str
    recipe: str
    name: str | None
    labels: dict[str, str]
    config: dict[str, Any]
    """The validated configuration, defaults included."""
    requested: dict[str, Any]
    """The configuration as it was requested."""
    resources: Resources
    priority: int
    time_limit_seconds: float | None
    status: RunStatus
    """Where it is on its way from `queued` to its end."""
    intent: Intent | None
    reason: Reason | None
    """Why its last attempt ended; null: none has."""
    error: str | None
    """Why it failed; null: it did not."""
    error_field: str | None = None
    """The field of the configuration that the error is about: `dataset_path`."""
    warnings: list[RunWarning] = []
    """One for each code, at most twenty."""
    attempt: int
    resumed_from: str | None = None
    """The ended run whose last checkpoint it started from."""
    sweep_id: str | None = None
    """The sweep that it belongs to; null: none."""
    progress: Progress
    model_name: str | None
    dataset: str | None
    output_dir: str | None
    log_file: str | None
    """`output_dir` and `log_file` are relative to the home if they lie there."""
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    last_sequence: int
    """The sequence number of its newest event."""


class RunOrder(FrozenModel):
    sort: RunSort = RunSort.CREATED
    direction: SortDirection = SortDirection.DESCENDING


class RunNotice(FrozenModel):
    """What changes of a run on its way: a light part of it, as the stream of all runs tells it."""

    id: str
    uid: str
    number: int
    name: str | None
    status: RunStatus
    intent: Intent | None
    attempt: int
    sequence: int
    """The sequence number of its newest event. A notice with the same number as the one before tells of a change that
    is no event: its name, its labels, or whether it is shared."""
    progress: Progress
    started_at: datetime | None
    finished_at: datetime | None
    updated_at: datetime


class RunFilter(StrictModel):
    statuses: frozenset[RunStatus] = frozenset()
    """Empty: every status."""
    owner: str | None = None
    """A user's name or id."""
    name_contains: str | None = None
    """A part of the name, in upper or lower case."""
    created_after: datetime | None = None
    created_before: datetime | None = None
    """Both instants are included."""
    recipe: str | None = None
    label: tuple[str, str] | None = None
    source: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """A run must have all of them."""
    without_labels: bool = False
    sweep_id: str | None = None
    id_prefix: str | None = None
    """How the id that the client chose, or the run's own, begins."""


class WaitReason(StrEnum):
    """Why a queued run has not started."""

    DEVICES_BUSY = "devices_busy"
    """Runs and engines use the devices that it needs."""
    MACHINE_TOO_SMALL = "machine_too_small"
    """The machine has fewer devices than it needs; it was accepted on a larger one."""
    RUNS_BEFORE = "runs_before"
    """It would fit, but others come first."""
    STARTS_NEXT = "starts_next"


class QueuePlace(FrozenModel):
    """Where a queued run stands among those of all users."""

    position: int
    """Counted from 1, by priority, then by age."""
    length: int
    """How many runs are queued."""
    reason: WaitReason
    """Why it has not started, as a word for programs."""
    message: Sentence
    """The reason as a sentence for people."""


class WaitForecast(QueuePlace):
    """Where a run would stand in the queue if it were submitted now."""

    seconds: float | None
    """After how long it would start, by the time that the runs before it tell; null: that cannot be told."""


class RunPage(BaseModel):
    """Sorted from newest to oldest, unless another order was asked for."""

    runs: list[Run]
    next_cursor: str | None
    total: int | None = None
    """How many runs all pages have together; null unless it was asked for."""


class Artifact(FrozenModel):
    id: int
    run_id: str
    name: str
    type: str
    """`model`, `adapter`, or `file`."""
    path: str
    size_bytes: int
    sha256: str | None
    """Hexadecimal; a folder's is over its sorted `<hash>  <relative path>` lines. None until it is computed."""
    created_at: datetime
