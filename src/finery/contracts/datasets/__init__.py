"""Dataset rows: their shapes, and what every shape becomes."""

from finery.contracts.datasets.info import InfoRefused, Source, open_source, resolve_entry
from finery.contracts.datasets.loading import (
    iter_conversations,
    iter_feedback,
    iter_preferences,
    iter_tasks,
    iter_texts,
)
from finery.contracts.datasets.readers import as_conversation, as_feedback, as_preference, as_task, as_text
from finery.contracts.datasets.rows import Conversation, Feedback, Message, Preference, RowRefused, Task, Text
from finery.contracts.datasets.shapes import Shape, recipes_for, shape_of

__all__ = [
    "Conversation",
    "Feedback",
    "InfoRefused",
    "Message",
    "Preference",
    "RowRefused",
    "Shape",
    "Source",
    "Task",
    "Text",
    "as_conversation",
    "as_feedback",
    "as_preference",
    "as_task",
    "as_text",
    "iter_conversations",
    "iter_feedback",
    "iter_preferences",
    "iter_tasks",
    "iter_texts",
    "open_source",
    "recipes_for",
    "resolve_entry",
    "shape_of",
]
