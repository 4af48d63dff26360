"""Stored datasets: versions, statistics, previews and diffs, as services return them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from finery.contracts.base_models import FrozenModel
from finery.contracts.status import RunStatus

REFERENCE = "dataset:"
"""Prefix of a stored dataset in a field for paths: `dataset:<id or name>[@<version>]`."""


class Sample(FrozenModel):
    """A dataset that ships with Finery."""

    name: str
    filename: str
    recipes: list[str]
    """The training methods that its rows are for."""


class SampleList(BaseModel):
    samples: list[Sample]


class Bucket(FrozenModel):
    least: int
    """The smallest value in it."""
    most: int
    """The largest value in it."""
    count: int
    """How many rows have such a value."""


class Lengths(FrozenModel):
    """Distribution over all rows. Median and 95th percentile are exact up to 512 and within 0.4 % above."""

    total: int
    min: int
    mean: float
    p50: int
    p95: int
    max: int
    buckets: tuple[Bucket, ...] = ()
    """A histogram of some thirty buckets of equal width; the last one holds the longest per cent of the rows, too."""


class Statistics(FrozenModel):
    rows: int
    invalid: int
    """Those of the rows that cannot be read or have no known format; no count below includes them."""
    shapes: dict[str, int]
    """Number of rows by format."""
    roles: dict[str, int]
    """Number of messages by role; plain text has no messages."""
    languages: dict[str, int] | None = None
    """Number of rows by the language that their letters tell (`ko`, `ja`, `zh`, `th`, `el`, `he`), else by script (ISO
    15924: `Latn`, `Cyrl`, …; `Zyyy`: no letters). Only the beginnings of a row's texts are looked at."""
    characters: Lengths
    tokens: Lengths
    """Estimated without a tokenizer: a quarter of a text's bytes in UTF-8, rounded up, and 4 for each message."""
    messages: Lengths
    """Messages per row."""


class DatasetVersion(FrozenModel):
    dataset_id: str
    version: int
    """Counted from 1."""
    reference: str
    """`dataset:<id>@<version>`, usable as `dataset_path`."""
    filename: str
    """The name that the client gave."""
    suffix: str
    size_bytes: int
    sha256: str
    note: str | None
    created_at: datetime
    created_by: str


class Dataset(FrozenModel):
    id: str
    owner_id: str | None
    shared: bool
    name: str
    created_at: datetime
    updated_at: datetime
    newest: DatasetVersion


class DatasetPage(BaseModel):
    """Sorted from newest to oldest."""

    datasets: list[Dataset]
    next_cursor: str | None


class DatasetUse(FrozenModel):
    """A run that reads, or has read, a version."""

    run_id: str
    run_name: str | None
    """The run's name; null: it has none."""
    recipe: str
    status: RunStatus
    config_field: str
    """The field of its configuration that names the dataset: `dataset_path`."""
    version: int
    created_at: datetime


class DatasetUsePage(BaseModel):
    """Sorted from newest to oldest."""

    uses: list[DatasetUse]
    """The runs that the caller may see."""
    next_cursor: str | None


class PreviewRow(FrozenModel):
    number: int
    """Counted from 1."""
    line: int
    value: dict[str, Any] | None
    """None if the row cannot be read. Long texts are cut off."""
    problem: str | None = None


class Preview(BaseModel):
    rows: list[PreviewRow]
    """The rows."""
    is_cut: bool
    """Whether a text or a list was cut off."""
    has_more: bool


class DiffSide(FrozenModel):
    rows: int
    unreadable: int
    """Rows that cannot be read, which are not compared."""


class DatasetDiff(BaseModel):
    """The rows of two versions, compared as multisets: order of rows, file format and order of keys do not matter."""

    old: DiffSide
    new: DiffSide
    added: int
    removed: int
    kept: int
    first_added: list[PreviewRow]
    first_removed: list[PreviewRow]
