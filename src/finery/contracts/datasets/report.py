"""What a check of a dataset found. Nothing in it holds a word of a row's content."""

from enum import StrEnum
from pathlib import Path

from pydantic import computed_field

from finery.contracts.base_models import StrictModel

MAX_NAMED = 20
"""So many of each kind are named; all are counted."""


class Place(StrictModel):
    """Where a row stands."""

    line: int
    """Where it begins, from 1. A Parquet file has no lines: the row's number."""
    row: int
    """Which row it is, from 1."""


class RowIssue(StrictModel):
    """What is wrong with one row."""

    line: int
    row: int
    field: str
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line} (row {self.row}): "
        return where + (f"{self.field}: {self.reason}" if self.field else self.reason)


class WarningKind(StrEnum):
    """What trains, though perhaps not as it was meant."""

    DUPLICATE = "duplicate"
    """The same messages stand in an earlier row."""
    OVERLAP = "overlap"
    """The same messages stand in the validation file."""
    NO_ANSWER_LAST = "no_answer_last"
    """The last message is not the assistant's: nothing is learned from what comes after its last answer."""
    NOTHING_TO_LEARN = "nothing_to_learn"
    """An empty answer, every weight 0, chosen equal to rejected; other rows of the file have something to learn."""
    UNANSWERED_CALL = "unanswered_call"
    """The conversation goes on after a tool call that no tool answered."""


class RowWarning(StrictModel):
    kind: WarningKind
    message: str
    count: int
    places: tuple[Place, ...]
    """The first twenty."""


class Repetition(StrictModel):
    first: Place
    again: Place


class Duplicates(StrictModel):
    """Rows with the messages of an earlier row; weights, ids and other columns are not compared."""

    count: int
    pairs: tuple[Repetition, ...]
    """The first twenty."""
    compared: int
    """So many of the first rows were compared; fewer than there are only in a very long file."""


class Shared(StrictModel):
    row: Place
    validation: Place


class Overlap(StrictModel):
    """Rows that the validation file has too: it then measures what was learned by heart."""

    file: Path
    rows: int
    """Of the validation file; those with an issue are not compared."""
    invalid: int
    unreadable: str = ""
    """Why the validation file cannot be read; empty where it can."""
    count: int
    """Rows of the training file that the validation file has too."""
    pairs: tuple[Shared, ...]


class Longest(Place):
    bytes: int


class DatasetReport(StrictModel):
    file: Path
    recipe: str
    bytes: int
    """Of the file as it lies on disk."""
    rows: int
    shapes: dict[str, int]
    """Rows of each shape."""
    role_orders: dict[str, int]
    """Rows of each order of roles (`system user assistant`); rare orders beyond the first thousand are left out."""
    untrainable: int
    """Rows of a good shape with nothing to learn: an empty answer, every weight 0, chosen equal to rejected."""
    issues: tuple[RowIssue, ...] = ()
    """The first twenty."""
    invalid: int = 0
    unreadable: str = ""
    """Why the file as a whole cannot be read; empty where it can."""
    messages: int = 0
    masked_messages: int = 0
    """Answers that are not learned: of weight 0, or part of a prompt."""
    tool_calls: int = 0
    longest: Longest | None = None
    estimated_tokens: int = 0
    """A quarter of the bytes that are not the format's own: a rough guess that needs no tokenizer."""
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
        """Why no run may train on it; empty where one may."""
        if self.unreadable:
            return self.unreadable
        if self.invalid:
            word = (
                "row has an issue"
                if self.rows == 1
                else f"rows {'has an issue' if self.invalid == 1 else 'have issues'}"
            )
            return f"{self.issues[0]}. {self.invalid:,} of {self.rows:,} {word}."
        if not self.rows:
            return "holds no rows"
        if not self.trainable:
            return "no row has a trainable token: every answer is empty or masked"
        return ""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ok(self) -> bool:
        return not self.refusal
