"""What is told of a run or sweep before it is submitted."""

from typing import Any

from pydantic import JsonValue

from finery.contracts.base_models import FrozenModel
from finery.contracts.run import WaitForecast
from finery.contracts.sentences import Sentence


class PreviewIssue(FrozenModel):
    """One thing that would refuse the request."""

    field: str
    """The field that is at fault: `learning_rate`, or `config.learning_rate[2]` for one value of several; empty: none
    alone."""
    message: Sentence
    line: int | None
    """The line of the dataset file, counted from 1."""
    code: str


class AutoChoice(FrozenModel):
    """A value that the server would choose."""

    setting: str
    """The key of the configuration."""
    value: JsonValue
    """The value."""
    reason: Sentence
    """By what it is chosen."""


class PreviewWarning(FrozenModel):
    """What would not refuse the request, but is perhaps not as intended."""

    code: str
    message: Sentence
    setting: str | None
    """The key of the configuration that it is about; null: none alone."""


class MemoryForecast(FrozenModel):
    """An estimate of the memory that a training needs, beside what there is."""

    needed_bytes: int
    """The sum of the parts."""
    available_bytes: int
    """The memory of the largest GPU, or of the machine for a run without one."""
    device: str
    """`gpu` or `cpu`."""
    parts: dict[str, int]
    """The bytes of weights, gradients, optimizer, activations, logits, reference and stack."""
    batch_size: int
    """The batch that was asked for."""
    fitting_batch: int
    """The largest batch up to that which fits."""
    tokens_per_row: int
    """How long the longest row of a batch is taken to be."""


class RunPreview(FrozenModel):
    """What would come of a request for a run or sweep. Nothing was written."""

    ok: bool
    """Whether it would be accepted, as far as was looked."""
    run_count: int
    """How many runs it would make."""
    checked_count: int
    """How many of them were looked at in the time for that."""
    names: list[str]
    """The names of a sweep's runs, made from what differs; empty for a single run."""
    issues: list[PreviewIssue]
    """What would refuse it."""
    warnings: list[PreviewWarning]
    """What the first run would warn of."""
    config: dict[str, Any] | None
    """The first run's whole configuration, defaults and choices included; null: it would be refused."""
    choices: list[AutoChoice]
    """What the server would choose for the first run, and why."""
    memory: MemoryForecast | None
    """What the first run needs; null where that cannot be told: of a built-in model, or one that is not here."""
    wait: WaitForecast | None
    """Where the first run would stand in the queue."""
