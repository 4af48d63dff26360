"""Iterates over the training examples in a dataset file, one function for each kind of example."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.examples import Feedback, Preference, Task, Text
from finery.contracts.datasets.info import open_source
from finery.contracts.datasets.row_reader import DatasetReader
from finery.contracts.recipes.data_rules import ExampleKind
from finery.kit.tables import BrokenRow


def iter_conversations(path: Path, entry_name: str | None = None) -> Iterator[Conversation | Text]:
    """Yields the rows of an `sft` dataset. A `Text` has no prompt and is learned whole.

    Like the functions below, it also yields rows with nothing to learn (`is_trainable`), and raises RowRefused (with
    the line), InfoRefused, kit.tables' BrokenRow and UnreadableTable, and OSError.
    """
    return _iter_rows(path, entry_name, ExampleKind.CONVERSATION_OR_TEXT)


def iter_preferences(path: Path, entry_name: str | None = None) -> Iterator[Preference]:
    """Yields the rows of a `dpo` or `reward` dataset."""
    return _iter_rows(path, entry_name, ExampleKind.PREFERENCE)


def iter_feedback(path: Path, entry_name: str | None = None) -> Iterator[Feedback]:
    """Yields the rows of a `kto` dataset."""
    return _iter_rows(path, entry_name, ExampleKind.FEEDBACK)


def iter_tasks(path: Path, entry_name: str | None = None) -> Iterator[Task]:
    """Yields the rows of a `grpo` dataset."""
    return _iter_rows(path, entry_name, ExampleKind.TASK)


def iter_texts(path: Path, entry_name: str | None = None) -> Iterator[Text]:
    """Yields the rows of a `cpt` dataset."""
    return _iter_rows(path, entry_name, ExampleKind.TEXT)


def _iter_rows(path: Path, entry_name: str | None, kind: ExampleKind) -> Iterator[Any]:
    reader = DatasetReader(open_source(path, entry_name), kind)
    for row in reader.rows():
        if isinstance(row, BrokenRow):
            raise row
        yield reader.read(row)[1]
