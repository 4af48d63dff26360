"""The report of a dataset check: counts, issues, warnings, duplicates. It holds nothing of the rows' content."""

from enum import StrEnum
from pathlib import Path

from pydantic import SkipValidation, computed_field

from finery.contracts.base_models import StrictModel
from finery.kit.translatable import Translatable

MAX_NAMED = 20
"""How many rows of each kind are named; all are counted."""


class Place(StrictModel):
    """The position of a row in its file."""

    line: int
    """The line where it begins, from 1; in a Parquet file, the row's number."""
    row: int
    """The row's number, from 1."""


class RowIssue(StrictModel):
    """Why a row is refused."""

    line: int
    row: int
    field: str
    """The row's field that is at fault; empty: the whole row."""
    # Validation would make it plain text, which cannot be translated.
    reason: SkipValidation[str]

    def __str__(self) -> str:
        return str(self.told)

    @property
    def told(self) -> Translatable:
        """The line, the field and the reason in one sentence."""
        reason = self.reason
        if self.field:
            reason = Translatable("{field}: {message}", field=self.field, message=reason)
        return Translatable("line {line} (row {row}): {reason}", line=self.line, row=self.row, reason=reason)


class WarningKind(StrEnum):
    """Data that can be trained on, but perhaps not as intended."""

    DUPLICATE = "duplicate"
    """An earlier row has the same messages."""
    OVERLAP = "overlap"
    """The validation file has a row with the same messages."""
    NO_ANSWER_LAST = "no_answer_last"
    """The last message is not the assistant's: nothing after its last answer is learned."""
    NOTHING_TO_LEARN = "nothing_to_learn"
    """An empty answer, every weight 0, chosen equal to rejected; other rows of the file have something to learn."""
    UNANSWERED_CALL = "unanswered_call"
    """The conversation goes on after a tool call that no tool answered."""
    ARGUMENTS_WRITTEN_TWICE = "arguments_written_twice"
    """A call's arguments are JSON text within JSON text, and are learned as the object that they mean."""
    UNKNOWN_KEY = "unknown_key"
    """A message has a key that nothing reads."""
    ONE_LABEL = "one_label"
    """All rows have the same label, so that there is nothing to contrast."""
    TOOLS_LEFT_OUT = "tools_left_out"
    """The model's chat template does not render the tools that may be called."""
    REASONING_LEFT_OUT = "reasoning_left_out"
    """The model's chat template does not render an answer's reasoning."""
    CONTROL_TOKENS = "control_tokens"
    """A message's text contains a special token of the model, and is tokenized as that."""


class RowWarning(StrictModel):
    kind: WarningKind
    message: str
    """What it is, for people."""
    count: int
    places: tuple[Place, ...]
    """The first twenty positions."""


class Repetition(StrictModel):
    first: Place
    again: Place


class Duplicates(StrictModel):
    """Rows with the messages of an earlier row; weights, ids and other columns are not compared."""

    count: int
    pairs: tuple[Repetition, ...]
    """The first twenty pairs."""
    compared: int
    """How many rows were compared, from the first on: all but in a very long file."""


class Shared(StrictModel):
    row: Place
    """The row of the training file."""
    validation: Place


class Overlap(StrictModel):
    """Rows that are in the validation file too, which then measures memorization."""

    file: Path
    """The validation file's path, as it was named."""
    rows: int
    """Rows of the validation file; those with an issue are not compared."""
    invalid: int
    unreadable: str = ""
    """Why the validation file cannot be read; empty if it can."""
    count: int
    """Rows of the training file that are in the validation file too."""
    pairs: tuple[Shared, ...]


class Longest(Place):
    bytes: int


class DatasetReport(StrictModel):
    file: Path
    """The file's path, as it was named."""
    recipe: str
    bytes: int
    """Size of the file on disk."""
    rows: int
    shapes: dict[str, int]
    """Number of rows by format."""
    role_orders: dict[str, int]
    """Number of rows by order of roles (`system user assistant`), for the first thousand orders."""
    untrainable: int
    """Valid rows with nothing to learn: an empty answer, every weight 0, chosen equal to rejected."""
    issues: tuple[RowIssue, ...] = ()
    """The first twenty issues."""
    invalid: int = 0
    unreadable: str = ""
    """Why the file as a whole cannot be read; empty if it can."""
    messages: int = 0
    """The number of messages."""
    masked_messages: int = 0
    """Answers that are not learned: of weight 0, or in a prompt."""
    tool_calls: int = 0
    longest: Longest | None = None
    estimated_tokens: int = 0
    """A quarter of the bytes of content: a rough estimate without a tokenizer."""
    duplicates: Duplicates = Duplicates(count=0, pairs=(), compared=0)
    overlap: Overlap | None = None
    """None: no validation file was named."""
    warnings: tuple[RowWarning, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def trainable(self) -> int:
        return self.rows - self.untrainable - self.invalid

    @computed_field  # type: ignore[prop-decorator]
    @property
    def refusal(self) -> str:
        """Why no run may train on the file; empty if one may."""
        if self.unreadable:
            return self.unreadable
        if self.invalid:
            values = {"issue": self.issues[0].told, "invalid": self.invalid, "rows": self.rows}
            if self.rows == 1:
                return Translatable("{issue}. {invalid:,} of {rows:,} row has an issue.", **values)
            if self.invalid == 1:
                return Translatable("{issue}. {invalid:,} of {rows:,} rows has an issue.", **values)
            return Translatable("{issue}. {invalid:,} of {rows:,} rows have issues.", **values)
        if not self.rows:
            return Translatable("holds no rows")
        if not self.trainable:
            return Translatable("no row has a trainable token: every answer is empty or masked")
        return ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        return not self.refusal
