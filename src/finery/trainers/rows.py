"""Writes encoded rows to disk, reports those that were left out, and splits off evaluation rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow
from datasets import Dataset

from finery.contracts.recipes.base import EVALUATION, TRAINING
from finery.trainers.attempt import Attempt
from finery.trainers.encoding import Encoded
from finery.trainers.errors import TrainingRefused

BATCH_ROWS = 1000
NOTHING_TO_LEARN = "nothing to learn"
CUT_AWAY = "prompt fills max_length"


@dataclass(frozen=True)
class Data:
    """The dataset that rows are read from."""

    name: str
    path: Path
    entry: str | None = None
    """The name of a dataset in the path's dataset_info.json."""
    reference: str | None = None
    """What the request calls a stored file, whose name on disk says nothing to its user."""

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.reference or self.path.name


@dataclass
class RowCounts:
    """Counts what became of a dataset's rows."""

    kept: int = 0
    truncated: int = 0
    """Rows that were cut to max_length."""
    lost_tokens: int = 0
    """Tokens of kept rows that were cut off."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Reason → number of rows."""

    def cut(self, *lost: int) -> None:
        """Counts the tokens that were cut off a row, one number for each of its answers; below 0, there was room."""
        tokens = sum(max(0, count) for count in lost)
        self.truncated += tokens > 0
        self.lost_tokens += tokens

    def drop(self, why: str) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + 1


def training_data(attempt: Attempt) -> Data:
    return _data(attempt, "train", TRAINING)


def evaluation_data(attempt: Attempt) -> Data | None:
    return _data(attempt, "eval", EVALUATION) if EVALUATION in attempt.spec.datasets else None


def _data(attempt: Attempt, name: str, field: str) -> Data:
    data = attempt.spec.datasets[field]
    return Data(name, data.path, data.entry, None if data.stored is None else str(attempt.spec.config[field]))


def write_rows(attempt: Attempt, name: str, schema: dict[str, pyarrow.DataType], rows: Iterable[Encoded]) -> Dataset:
    """Writes rows to a file in the run's folder and maps it into memory, so that a dataset need not fit there."""
    attempt.encoded.mkdir(exist_ok=True)
    path = attempt.encoded / f"{name}-{attempt.rank}.arrow"
    arrow = pyarrow.schema(list(schema.items()))
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, arrow) as writer:
        remaining = iter(rows)
        while batch := list(islice(remaining, BATCH_ROWS)):
            columns = [pyarrow.array([row[column] for row in batch], type) for column, type in schema.items()]
            writer.write_batch(pyarrow.record_batch(columns, schema=arrow))
    return Dataset.from_file(str(path))


def report_dropped_rows(attempt: Attempt, counts: RowCounts, data: Data) -> None:
    """Reports what was left out or cut. Raises TrainingRefused when no row remains."""
    name = data.shown
    reasons = ", ".join(f"{count} × {why}" for why, count in counts.dropped.items())
    dropped = sum(counts.dropped.values())
    if counts.kept == 0:
        raise TrainingRefused(f"{name} has no row with a token to learn" + (f" ({reasons})" if reasons else ""))
    if dropped:
        attempt.reporter.notice(
            "rows_dropped", f"{name}: {dropped} rows left out ({reasons})", count=dropped, reasons=counts.dropped
        )
    if counts.truncated:
        lost = f"{counts.lost_tokens} tokens are lost; raise max_length, or make the rows shorter"
        attempt.reporter.notice(
            "rows_truncated",
            f"{name}: {counts.truncated} of {counts.kept} rows cut to max_length, {lost}",
            count=counts.truncated,
            lost_tokens=counts.lost_tokens,
            setting="max_length",
        )


def split(rows: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset | None]:
    """Returns the training rows and, for a share above 0, the evaluation rows. A seed always gives the same split.

    Raises TrainingRefused when no row would be left to train on.
    """
    if share == 0.0:
        return rows, None
    held_out = max(1, round(len(rows) * share))
    if held_out >= len(rows):
        raise TrainingRefused(f"eval_split {share} leaves none of {len(rows)} rows to train on", field="eval_split")
    order = list(range(len(rows)))
    np.random.default_rng(seed).shuffle(order)
    return rows.select(sorted(order[held_out:])), rows.select(sorted(order[:held_out]))
