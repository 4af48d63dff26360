"""Chat messages as msgspec structs, one class for each role, with their tool calls."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

JsonObject = dict[str, Any]
"""A row, or a part of one, as it is in the file; readers check every value that they use."""

Role = Literal["system", "user", "assistant", "tool"]


class Function(Struct, gc=False, forbid_unknown_fields=True):
    name: str
    arguments: str | JsonObject
    """JSON text, as in OpenAI's format, while the row is read; an object afterwards."""


class FunctionWrittenTwice(Function):
    """A function whose arguments stood in the file as JSON text within JSON text."""


class ToolCall(Struct, gc=False, forbid_unknown_fields=True):
    function: Function
    id: str | None = None
    type: Literal["function"] = "function"

    def as_dict(self) -> JsonObject:
        function = {"name": self.function.name, "arguments": self.function.arguments}
        call: JsonObject = {"type": "function", "function": function}
        return call if self.id is None else call | {"id": self.id}


def functions_as_json(calls: Sequence[ToolCall]) -> bytes:
    """Returns a canonical text of calls, to compare them; only their names if JSON cannot hold the arguments."""
    try:
        return _IN_ORDER.encode([call.function for call in calls])
    except (TypeError, UnicodeEncodeError, RecursionError):
        return "\0".join(call.function.name for call in calls).encode(errors="replace")


_IN_ORDER = msgspec.json.Encoder(order="sorted")


class Message(Struct, gc=False, forbid_unknown_fields=True, tag_field="role"):
    """Base class of messages. The fields are OpenAI's, so that JSON in that format is decoded straight into it."""

    role: ClassVar[Role]
    content: str | None = None
    """Null beside calls, as in OpenAI's format, while the row is read; text afterwards."""
    name: str | None = None
    weight: Literal[0, 1] | None = None
    """0: the message is not learned."""
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None

    @property
    def text(self) -> str:
        return self.content or ""

    @property
    def has_content(self) -> bool:
        """Whether the message has a text or a tool call."""
        return bool(self.tool_calls) or has_text(self.content)

    def as_dict(self) -> JsonObject:
        """Returns the message for a chat template: `content` is always text, `arguments` always an object."""
        message: JsonObject = {"role": self.role, "content": self.text}
        if self.reasoning_content:
            message["reasoning_content"] = self.reasoning_content
        if self.name is not None:
            message["name"] = self.name
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        if self.tool_calls:
            message["tool_calls"] = [call.as_dict() for call in self.tool_calls]
        return message


class Assistant(Message, tag="assistant"):
    role = "assistant"


class UnlearnedMessage(Message):
    """A message of any role but the assistant's: it has a text, and neither a weight nor tool calls."""

    content: str
    weight: None = None
    tool_calls: None = None


class System(UnlearnedMessage, tag="system"):
    role = "system"


class Developer(System, tag="developer"):
    """OpenAI's newer name of the system role."""


class User(UnlearnedMessage, tag="user"):
    role = "user"


class Tool(UnlearnedMessage, tag="tool"):
    role = "tool"


AnyMessage = System | Developer | User | Assistant | Tool
MESSAGES: dict[Role, type[System | User | Assistant | Tool]] = {
    "system": System,
    "user": User,
    "assistant": Assistant,
    "tool": Tool,
}


def has_text(text: str | None) -> bool:
    """Returns whether the text holds more than blanks."""
    return text is not None and text != "" and not text.isspace()
