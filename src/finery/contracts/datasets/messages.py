"""Messages: a class for each role, as chats and the rows of datasets have them."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

JsonObject = dict[str, Any]
"""A row, or a part of one, as the file has it; its readers check every value that they touch."""

Role = Literal["system", "user", "assistant", "tool"]


class Function(Struct, gc=False, forbid_unknown_fields=True):
    name: str
    arguments: str | JsonObject
    """Text, as OpenAI writes it, only while the row is being read."""


class ToolCall(Struct, gc=False, forbid_unknown_fields=True):
    function: Function
    id: str | None = None
    type: Literal["function"] = "function"

    def as_dict(self) -> JsonObject:
        function = {"name": self.function.name, "arguments": self.function.arguments}
        call: JsonObject = {"type": "function", "function": function}
        return call if self.id is None else call | {"id": self.id}


def functions_as_json(calls: Sequence[ToolCall]) -> bytes:
    """Names and arguments, the same for the same arguments in any order; names alone, where JSON cannot hold those."""
    try:
        return _IN_ORDER.encode([call.function for call in calls])
    except (TypeError, UnicodeEncodeError, RecursionError):
        return "\0".join(call.function.name for call in calls).encode(errors="replace")


_IN_ORDER = msgspec.json.Encoder(order="sorted")


class Message(Struct, gc=False, forbid_unknown_fields=True, tag_field="role"):
    """One message, of a class for each role. The fields are OpenAI's: JSON in its words is decoded straight into it."""

    role: ClassVar[Role]
    content: str | None = None
    """Null, as OpenAI writes it beside calls, only while the row is being read."""
    name: str | None = None
    weight: Literal[0, 1] | None = None
    """0: it is not learned."""
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None

    @property
    def text(self) -> str:
        return self.content or ""

    @property
    def has_content(self) -> bool:
        """Whether there is a text or a call."""
        return bool(self.tool_calls) or has_text(self.content)

    def as_dict(self) -> JsonObject:
        """As chat templates take it: `content` is always text, `arguments` always an object."""
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
    """Anybody else's: it has a text, and neither a weight nor calls."""

    content: str
    weight: None = None
    tool_calls: None = None


class System(UnlearnedMessage, tag="system"):
    role = "system"


class Developer(System, tag="developer"):
    """OpenAI's newer word for it."""


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
    """Whether there is more than blanks."""
    return text is not None and text != "" and not text.isspace()
