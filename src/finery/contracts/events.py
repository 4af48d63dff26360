"""Events of a run and their data: a trainer appends them to events.jsonl, the server numbers and stores them."""

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
)

from finery.contracts.base_models import FrozenModel
from finery.contracts.status import Intent, Reason, RunStatus


class EventType(StrEnum):
    STATUS = "status"
    """Written by the server, like `intent`."""
    INTENT = "intent"
    STAGE = "stage"
    PROGRESS = "progress"
    EVALUATION = "evaluation"
    CHECKPOINT = "checkpoint"
    SAMPLE = "sample"
    NOTICE = "notice"
    RESULT = "result"


class EventData(BaseModel):
    """The data of an event. A recipe may add fields, and leave out those that it does not have."""

    model_config = ConfigDict(frozen=True, extra="allow", serialize_by_alias=True)

    event_type: ClassVar[EventType]

    # Without a return type, so that the JSON schema (and the OpenAPI description) keeps the fields' types.
    @model_serializer(mode="wrap")
    def _without_unset(self, write: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        fields = type(self).model_fields
        unset = {fields[name].alias or name for name in fields.keys() - self.model_fields_set}
        return {name: value for name, value in write(self).items() if name not in unset}

    def as_json(self) -> dict[str, Any]:
        """Returns the fields that were set, as JSON values."""
        return self.model_dump(mode="json")


class StatusData(EventData):
    event_type = EventType.STATUS

    source: RunStatus | None = Field(default=None, alias="from")
    to: RunStatus
    reason: Reason | None = None
    """Why the attempt ended, where it did."""
    message: str | None = None
    field: str | None = None
    """The field of the configuration that the message is about."""


class IntentData(EventData):
    """The request to cancel, pause or stop the run; none: a pause is taken back."""

    event_type = EventType.INTENT

    intent: Intent | None = None


class StageData(EventData):
    event_type = EventType.STAGE

    stage: str | None = None
    """loading_data, loading_model, training, evaluating, saving, merging, checking, probing."""
    label: str | None = None
    """A text for people."""


class StepMetrics(EventData):
    """Metrics of one step."""

    step: int | None = None
    epoch: float | None = None
    loss: float | None = None
    aux_loss: float | None = None
    """What the routers of a mixture of experts are trained on besides `loss`, before it is weighted."""
    token_accuracy: float | None = None


class ProgressData(StepMetrics):
    event_type = EventType.PROGRESS

    total_steps: int | None = None
    total_epochs: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: int | None = None
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    memory_bytes: int | None = None


class EvaluationData(StepMetrics):
    """Metrics over the evaluation rows."""

    event_type = EventType.EVALUATION


class CheckpointData(EventData):
    event_type = EventType.CHECKPOINT

    step: int | None = None
    path: str | None = None
    """Absolute in a trainer's event, relative to the home in a stored one."""


class SampleData(EventData):
    event_type = EventType.SAMPLE

    step: int | None = None
    prompt: str | None = None
    text: str | None = None
    """The model's answer."""
    reward: float | None = None
    scores: dict[str, float] | None = None
    """Scores of the grader's parts, from which the reward is computed."""


class NoticeData(EventData):
    """Something that a person should know. Which other fields are set depends on `code`."""

    event_type = EventType.NOTICE

    level: str = "info"
    """info, warning or error."""
    code: str = ""
    """A stable word for programs, as `output_replaced`."""
    message: str = ""
    setting: str | None = None
    """The field of the configuration that the notice is about."""
    count: int | None = None
    """Number of rows."""
    lines: list[int] | None = None
    """The first lines of the data that the notice is about."""
    line: int | None = None
    field: str | None = None
    """A field of a row."""
    values: dict[str, Any] | None = None
    """The values that were chosen for `auto`."""
    targets: dict[str, int] | None = None
    """What an adapter changes: the last part of a module's or parameter's name → how many are called so."""


class ResultData(EventData):
    """The final metrics."""

    event_type = EventType.RESULT


class TrainerEvent(BaseModel):
    """One line of events.jsonl, which is untrusted: a user's program may have written it."""

    type: EventType
    at: float
    """Seconds since 1970-01-01 UTC."""
    data: dict[str, Any] = {}


class _Event(FrozenModel):
    """A stored event; `sequence` counts 1, 2, 3 … within its run, without a gap."""

    run_id: str
    sequence: int
    at: float
    attempt: int


class StatusEvent(_Event):
    type: Literal[EventType.STATUS]
    data: StatusData


class IntentEvent(_Event):
    type: Literal[EventType.INTENT]
    data: IntentData


class StageEvent(_Event):
    type: Literal[EventType.STAGE]
    data: StageData


class ProgressEvent(_Event):
    type: Literal[EventType.PROGRESS]
    data: ProgressData


class EvaluationEvent(_Event):
    type: Literal[EventType.EVALUATION]
    data: EvaluationData


class CheckpointEvent(_Event):
    type: Literal[EventType.CHECKPOINT]
    data: CheckpointData


class SampleEvent(_Event):
    type: Literal[EventType.SAMPLE]
    data: SampleData


class NoticeEvent(_Event):
    type: Literal[EventType.NOTICE]
    data: NoticeData


class ResultEvent(_Event):
    type: Literal[EventType.RESULT]
    data: ResultData


Event = Annotated[
    StatusEvent
    | IntentEvent
    | StageEvent
    | ProgressEvent
    | EvaluationEvent
    | CheckpointEvent
    | SampleEvent
    | NoticeEvent
    | ResultEvent,
    Field(discriminator="type"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def event_of(type: EventType, data: dict[str, Any], *, run_id: str, sequence: int, at: float, attempt: int) -> Event:
    """Makes an event from what is stored."""
    facts = {"type": type, "run_id": run_id, "sequence": sequence, "at": at, "attempt": attempt}
    try:
        return EVENT.validate_python({**facts, "data": data})
    except ValidationError as error:
        # A user's program wrote it to an older version, which accepted any value: values of a wrong type are dropped.
        misfits = {place[2] for detail in error.errors() if len(place := detail["loc"]) > 2}
        fitting = {name: value for name, value in data.items() if name not in misfits}
        return EVENT.validate_python({**facts, "data": fitting})
