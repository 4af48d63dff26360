"""From a file to normalised rows, one at a time; what trainers read and what the check reads is the same."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from finery.contracts.datasets.info import open_source
from finery.contracts.datasets.readers import as_conversation_or_text, as_feedback, as_preference, as_task, as_text
from finery.contracts.datasets.rows import Conversation, Feedback, JsonObject, Preference, RowRefused, Task, Text
from finery.kit.tables import stream_rows

Read = TypeVar("Read")


def iter_conversations(path: Path, entry_name: str | None = None) -> Iterator[Conversation | Text]:
    """The rows of an `sft` dataset. A `Text` has no prompt and is learned whole.

    Like its siblings below, it also yields rows with nothing to learn (`is_trainable`), and raises RowRefused (with
    its line), InfoRefused, finery.kit.tables' BrokenRow and UnreadableTable, and OSError.
    """
    return _iter_rows(path, entry_name, as_conversation_or_text)


def iter_preferences(path: Path, entry_name: str | None = None) -> Iterator[Preference]:
    """The rows of a `dpo` or `reward` dataset."""
    return _iter_rows(path, entry_name, as_preference)


def iter_feedback(path: Path, entry_name: str | None = None) -> Iterator[Feedback]:
    """The rows of a `kto` dataset."""
    return _iter_rows(path, entry_name, as_feedback)


def iter_tasks(path: Path, entry_name: str | None = None) -> Iterator[Task]:
    """The rows of a `grpo` dataset."""
    return _iter_rows(path, entry_name, as_task)


def iter_texts(path: Path, entry_name: str | None = None) -> Iterator[Text]:
    """The rows of a `cpt` dataset."""
    return _iter_rows(path, entry_name, as_text)


def _iter_rows(path: Path, entry_name: str | None, read: Callable[[JsonObject], Read]) -> Iterator[Read]:
    source = open_source(path, entry_name)
    for row in stream_rows(source.file):
        try:
            yield read(source.normalise(row.value))
        except RowRefused as error:
            raise RowRefused(source.field(error.field), error.reason, line=row.line) from error
