"""What a dataset is to a model: its rows as the trainer makes tokens of them."""

from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter, computed_field

from finery.contracts.base_models import StrictModel
from finery.contracts.datasets.report import DatasetReport, Place
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules

BUDGET_BYTES = 32 * 2**20
ENOUGH_ROWS = 100
"""A sample of fewer says nothing of the rows that are not in it."""


class MeasurementRequest(StrictModel):
    """What `python -m finery.trainers.measuring` reads on its standard input. Paths are absolute."""

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
    """All rows of a file up to this size are measured, else about so much of it, evenly."""


class RowFailure(Place):
    """A row of which the model's chat template makes nothing. The reason holds no word of its content."""

    reason: str

    def __str__(self) -> str:
        return f"line {self.line} (row {self.row}): {self.reason}"


class TokenLengths(StrictModel):
    """Of the rows before they are cut, in tokens; of a preference row, with its longer answer."""

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
    """Of the file, those with an issue included."""
    measured: int
    """Rows of which tokens were made; fewer than `rows` for a sample."""
    is_exact: bool
    """False: each `stride`-th row was measured, and the counts below are of these alone."""
    stride: int = 1
    invalid: int = 0
    """Rows that the check refuses."""
    failed: int = 0
    """Rows of which the chat template makes nothing; the trainer leaves them out."""
    failures: tuple[RowFailure, ...] = ()
    """The first twenty."""
    idle: int = 0
    """Rows with nothing to learn."""
    truncated: int = 0
    """Rows longer than `max_length`, whose end is cut off."""
    vanished: int = 0
    """Rows of which nothing is learned because what is learned lies past `max_length`."""
    kept: int = 0
    """Rows that the trainer learns from. A text of `cpt`, and a conversation of which the template makes several, is
    one row."""
    tokens: int = 0
    """Of the rows that are learned, after the cut."""
    trainable_tokens: int = 0
    """Those of them that are learned."""
    lengths: TokenLengths = TokenLengths()


class NotMeasured(StrictModel):
    is_measured: Literal[False] = False
    reason: str


class MeasurementRefused(StrictModel):
    """What the program says where the model or the file cannot be read."""

    refused: str
    would_fail: bool = False
    """Whether every training on it would end with the same words."""


MeasurementResult = Measurement | NotMeasured | MeasurementRefused
MEASURED: TypeAdapter[Measurement | MeasurementRefused] = TypeAdapter(Measurement | MeasurementRefused)


class DatasetCheck(DatasetReport):
    """A report, and what the data is to a model where one was named."""

    measurement: Measurement | NotMeasured | None = None
    misfit: str = ""
    """Why the model can learn nothing from it; empty where it can, or where that was not asked."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        return not self.refusal and not self.misfit


def misfit_of(found: Measurement) -> str:
    """Why no run may train on what was measured; empty where one may."""
    if found.kept or not (found.is_exact or found.measured >= ENOUGH_ROWS):
        return ""
    if found.failed:
        return f"{found.failures[0]}; {found.failed:,} rows fail so, and no other has a token to learn"
    if found.vanished:
        longest = found.lengths.max
        return f"max_length {found.max_length} cuts off all that is learned; the longest row has {longest:,} tokens"
    return "no row has a token to learn"


def dataset_check_of(
    report: DatasetReport, found: Measurement | NotMeasured | MeasurementRefused | None
) -> DatasetCheck:
    facts = {name: value for name, value in report if name in DatasetReport.model_fields}
    if isinstance(found, MeasurementRefused):
        return DatasetCheck(**facts, misfit=found.refused)
    misfit = misfit_of(found) if isinstance(found, Measurement) else ""
    return DatasetCheck(**facts, measurement=found, misfit=misfit)
