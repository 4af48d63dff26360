"""Measurements of a dataset in tokens for one model: the request, its results, and the check that includes one."""

from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, computed_field

from finery.contracts.base_models import StrictModel
from finery.contracts.datasets.report import DatasetReport, Place, RowWarning
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules

BUDGET_BYTES = 32 * 2**20
ENOUGH_ROWS = 100
"""A smaller sample proves nothing about the rows outside of it."""


class MeasurementRequest(StrictModel):
    """The standard input of `python -m finery.trainers.measuring`. Paths are absolute."""

    dataset: Path
    entry: str | None = None
    recipe: str
    examples: ExampleKind
    rules: TokenRules
    model: str
    """An absolute local folder, `finery/<built-in>`, or a hub id."""
    models_cache: Path
    """Where built-in models are made and kept."""
    max_length: int = Field(ge=8, le=1_048_576)
    budget_bytes: int = Field(default=BUDGET_BYTES, ge=1)
    """Files up to this size are measured whole, larger ones by an even sample of about this size."""


class RowFailure(Place):
    """A row that the model's chat template cannot render. The reason holds nothing of its content."""

    reason: str

    def __str__(self) -> str:
        return f"line {self.line} (row {self.row}): {self.reason}"


class TokenLengths(StrictModel):
    """Lengths of the rows in tokens before truncation; of a preference row, with its longer answer."""

    min: int = 0
    mean: float = 0.0
    p50: int = 0
    p95: int = 0
    max: int = 0


class Measurement(StrictModel):
    is_measured: Literal[True] = True
    recipe: str
    model: str
    max_length: int
    rows: int
    """Rows of the file, including those with an issue."""
    measured: int
    """Rows that were tokenized; fewer than `rows` for a sample."""
    is_exact: bool
    """False: only each `stride`-th row was measured, and the counts below cover only those."""
    stride: int = 1
    invalid: int = 0
    """Rows that the check refuses."""
    failed: int = 0
    """Rows that the chat template cannot render; the trainer leaves them out."""
    failures: tuple[RowFailure, ...] = ()
    """The first twenty failures."""
    idle: int = 0
    """Rows with nothing to learn."""
    truncated: int = 0
    """Rows longer than `max_length`, which are cut off there."""
    vanished: int = 0
    """Rows with nothing to learn within `max_length`."""
    kept: int = 0
    """Rows that the trainer learns from. A row that becomes several sequences (a long text of `cpt`) counts as one."""
    tokens: int = 0
    """Tokens of the kept rows after truncation."""
    trainable_tokens: int = 0
    """Those of the tokens that are learned."""
    lengths: TokenLengths = TokenLengths()
    warnings: tuple[RowWarning, ...] = ()
    """What the model's tokenizer and chat template make of the rows, though perhaps not as intended."""


class NotMeasured(StrictModel):
    is_measured: Literal[False] = False
    reason: str


class MeasurementRefused(StrictModel):
    """The result if the model or the file cannot be read."""

    refused: str
    would_fail: bool = False
    """Whether every training on it would fail with the same message."""
    field: str = "chat_template"
    """The field of the configuration that would be to blame then."""


MeasurementResult = Measurement | NotMeasured | MeasurementRefused
MEASURED: TypeAdapter[Measurement | MeasurementRefused] = TypeAdapter(Measurement | MeasurementRefused)


class DatasetCheck(DatasetReport):
    """A report, with a measurement in tokens if a model was named."""

    measurement: Measurement | NotMeasured | None = None
    misfit: str = ""
    """Why the model can learn nothing from it; empty if it can, or if none was named."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        return not self.refusal and not self.misfit


def unusable_reason_of(result: Measurement) -> str:
    """Returns why no run may train on the measured data; empty if one may."""
    if result.kept or not (result.is_exact or result.measured >= ENOUGH_ROWS):
        return ""
    if result.failed:
        return f"{result.failures[0]}; {result.failed:,} rows fail so, and no other has a token to learn"
    if result.vanished:
        longest = result.lengths.max
        return f"max_length {result.max_length} cuts off all that is learned; the longest row has {longest:,} tokens"
    return "no row has a token to learn"


def dataset_check_of(report: DatasetReport, result: MeasurementResult | None) -> DatasetCheck:
    """Combines a report with the result of a measurement."""
    facts = {name: value for name, value in report if name in DatasetReport.model_fields}
    if isinstance(result, MeasurementRefused):
        return DatasetCheck(**facts, misfit=result.refused)
    misfit = unusable_reason_of(result) if isinstance(result, Measurement) else ""
    return DatasetCheck(**facts, measurement=result, misfit=misfit)
