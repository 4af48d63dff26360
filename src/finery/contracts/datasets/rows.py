"""What a dataset row becomes: the same few types, whatever shape it had in the file."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NotRequired, TypedDict

JsonObject = dict[str, Any]
"""A row, or a part of one, as the file has it; its readers check every value that they touch."""

Role = Literal["system", "user", "assistant", "tool"]


class ToolFunction(TypedDict):
    name: str
    arguments: JsonObject


class ToolCall(TypedDict):
    type: Literal["function"]
    function: ToolFunction
    id: NotRequired[str]


class Message(TypedDict):
    """As chat templates take it: `content` is always text, `arguments` always an object."""

    role: Role
    content: str
    reasoning_content: NotRequired[str]
    tool_calls: NotRequired[list[ToolCall]]
    tool_call_id: NotRequired[str]
    name: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Conversation:
    messages: list[Message]
    trains: list[bool]
    """For each message, whether its tokens are learned: an assistant's, neither empty nor of weight 0."""
    tools: list[JsonObject] | None = None

    @property
    def is_trainable(self) -> bool:
        return True in self.trains


@dataclass(frozen=True, slots=True)
class Text:
    text: str

    @property
    def is_trainable(self) -> bool:
        return bool(self.text) and not self.text.isspace()


@dataclass(frozen=True, slots=True)
class Preference:
    prompt: list[Message]
    chosen: list[Message]
    """What follows the prompt; never empty, ends with an assistant's message. So does `rejected`."""
    rejected: list[Message]
    tools: list[JsonObject] | None = None

    @property
    def is_trainable(self) -> bool:
        return self.chosen != self.rejected and has_content(self.chosen) and has_content(self.rejected)


@dataclass(frozen=True, slots=True)
class Feedback:
    prompt: list[Message]
    completion: list[Message]
    """Never empty, ends with an assistant's message."""
    label: bool
    """True: good."""
    tools: list[JsonObject] | None = None

    @property
    def is_trainable(self) -> bool:
        return has_content(self.completion)


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt that the model answers itself, and what the grader may know about it."""

    prompt: list[Message]
    """Never empty, ends with a user's or a tool's message."""
    item: JsonObject
    """The whole row; a grader's templates name its fields."""
    tools: list[JsonObject] | None = None

    @property
    def is_trainable(self) -> bool:
        return self.prompt[-1]["content"].strip() != ""


Example = Conversation | Text | Preference | Feedback | Task


class ExampleKind(StrEnum):
    """What a recipe makes of a row."""

    CONVERSATION_OR_TEXT = "conversation_or_text"
    TEXT = "text"
    PREFERENCE = "preference"
    FEEDBACK = "feedback"
    TASK = "task"


class RowRefused(ValueError):
    """A row that fits no shape, or not the one that it resembles. Neither field nor reason holds its content."""

    def __init__(self, field: str, reason: str, *, line: int | None = None) -> None:
        super().__init__(": ".join(part for part in (f"line {line}" if line else "", field, reason) if part))
        self.field = field
        """Dotted, with indexes from 0: `messages[2].role`; empty for the whole row."""
        self.reason = reason
        self.line = line


def has_content(messages: list[Message]) -> bool:
    """Whether the assistant says, or calls, anything."""
    return any(
        message["role"] == "assistant" and (message["content"].strip() != "" or "tool_calls" in message)
        for message in messages
    )
