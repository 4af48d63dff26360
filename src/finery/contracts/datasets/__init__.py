"""Reads dataset rows in any known format and turns them into training examples."""

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.example_iterators import (
    iter_conversations,
    iter_feedback,
    iter_preferences,
    iter_tasks,
    iter_texts,
)
from finery.contracts.datasets.examples import Feedback, Preference, Task, Text
from finery.contracts.datasets.info import InfoRefused, Source, open_source, resolve_entry
from finery.contracts.datasets.message_reader import RowRefused
from finery.contracts.datasets.messages import Assistant, Message, System, Tool, User

__all__ = [
    "Assistant",
    "Conversation",
    "Feedback",
    "InfoRefused",
    "Message",
    "Preference",
    "RowRefused",
    "Source",
    "System",
    "Task",
    "Text",
    "Tool",
    "User",
    "iter_conversations",
    "iter_feedback",
    "iter_preferences",
    "iter_tasks",
    "iter_texts",
    "open_source",
    "resolve_entry",
]
