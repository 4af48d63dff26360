"""Chat rows with all that OpenAI's format has: names, weights, reasoning, tools, tool calls and their answers."""

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Annotated, Any, ClassVar, Literal, Self

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder

from finery.contracts.datasets.messages import Step, follow_calls, read_tools
from finery.contracts.datasets.rows import RowRefused
from finery.contracts.datasets.shapes import Shape
from finery.contracts.datasets.signatures import Texts, call_text
from finery.contracts.datasets.swift.base import NOT_EMPTY, Study, SwiftRow, says

KNOWN_TOOLS = 256
"""So many lists of tools are remembered; most files repeat a few."""


class _System(Struct, gc=False, forbid_unknown_fields=True, tag_field="role", tag="system"):
    content: str
    name: str | None = None
    weight: None = None
    tool_calls: ClassVar[None] = None


class _Developer(Struct, gc=False, forbid_unknown_fields=True, tag_field="role", tag="developer"):
    content: str
    name: str | None = None
    weight: None = None
    tool_calls: ClassVar[None] = None


class _User(Struct, gc=False, forbid_unknown_fields=True, tag_field="role", tag="user"):
    content: str
    name: str | None = None
    weight: None = None
    tool_calls: ClassVar[None] = None


class _Function(Struct, gc=False, forbid_unknown_fields=True):
    name: str
    arguments: str


class _Call(Struct, gc=False, forbid_unknown_fields=True):
    function: _Function
    id: str | None = None
    type: Literal["function"] | None = None


class _Assistant(Struct, gc=False, forbid_unknown_fields=True, tag_field="role", tag="assistant"):
    content: str | None = None
    weight: Literal[0, 1] | None = None
    name: str | None = None
    tool_calls: Annotated[list[_Call], NOT_EMPTY] | None = None
    function_call: None = None
    reasoning_content: str | None = None
    thinking: str | None = None
    refusal: None = None


class _Tool(Struct, gc=False, forbid_unknown_fields=True, tag_field="role", tag="tool"):
    content: str
    tool_call_id: str | None = None
    name: str | None = None
    weight: None = None
    tool_calls: ClassVar[None] = None


_Message = _Assistant | _User | _System | _Tool | _Developer
_content, _weight, _tool_calls = attrgetter("content"), attrgetter("weight"), attrgetter("tool_calls")
NO_TOOLS = Raw(b"null")


class RichChat(SwiftRow, gc=False, kw_only=True):
    shape = Shape.MESSAGES
    messages: Annotated[list[_Message], NOT_EMPTY]
    tools: Raw = NO_TOOLS  # type: ignore[assignment]
    system: None = None
    rejected: None = None

    @classmethod
    def study(cls, rows: Sequence[Self]) -> Study | None:
        if not all(map(_are_good_tools, {bytes(row.tools) for row in rows if row.tools is not NO_TOOLS})):
            return None
        rows_said = [row.messages for row in rows]
        messages = list(chain.from_iterable(rows_said))
        contents = list(map(_content, messages))
        calls = _Calls()
        if None in contents or _Tool in map(type, messages) or any(map(_tool_calls, messages)):
            texts = [calls.texts(index, said) for index, said in enumerate(rows_said)]
        else:
            texts = [tuple(map(_content, said)) for said in rows_said]
        if None in texts:
            return None
        orders = [tuple(map(type, said)) for said in rows_said]
        if "" in contents or any(map(str.isspace, filter(None, contents))):
            weights = [_weights_of_speaking(said) for said in rows_said]
            masked, answers = [each.count(0) for each in weights], [*map(len, weights)]
        else:
            has_masked = 0 in map(_weight, messages)
            masked = [tuple(map(_weight, said)).count(0) for said in rows_said] if has_masked else [0] * len(rows)
            answers = [order.count(_Assistant) for order in orders]
        return Study(
            orders=orders,
            hashes=[*map(hash, texts)],
            idle=[index for index, count in enumerate(answers) if masked[index] == count],
            unanswered=calls.unanswered,
            masked=sum(masked),
            calls=calls.count,
        )


class _Calls:
    def __init__(self) -> None:
        self.unanswered: list[int] = []
        self.count = 0

    def texts(self, index: int, messages: Sequence[_Message]) -> Texts | None:
        """What is said, calls among it; None where a message is not plain enough, or a tool answers no call."""
        texts: list[str] = []
        waiting: list[str | None] = []
        is_plain = True
        for message in messages:
            texts.append(message.content or "")
            if type(message) is _Tool:
                # Nearly always the answers come in the order of their calls, by id; else they are followed in full.
                is_plain = is_plain and waiting != [] and waiting.pop(0) == message.tool_call_id
                continue
            is_plain = is_plain and not waiting
            if type(message) is _Assistant and message.tool_calls is not None:
                waiting = [call.id for call in message.tool_calls]
                if _are_repeated(waiting) or not self._add(message.tool_calls, texts):
                    return None
            elif message.content is None:
                return None
        return tuple(texts) if is_plain or self._follow(index, messages) else None

    def _add(self, calls: Sequence[_Call], texts: list[str]) -> bool:
        self.count += len(calls)
        try:
            for call in calls:
                function = call.function
                texts.append(call_text(function.name, _ARGUMENTS.decode(function.arguments)))
        except (msgspec.MsgspecError, RecursionError):
            return False
        return True

    def _follow(self, index: int, messages: Sequence[_Message]) -> bool:
        stray, is_unanswered = follow_calls(map(_step, messages))
        if is_unanswered:
            self.unanswered.append(index)
        return stray is None


def _are_repeated(ids: Sequence[str | None]) -> bool:
    if len(ids) < 2:
        return False
    known = [call_id for call_id in ids if call_id is not None]
    return len(set(known)) < len(known)


def _step(message: _Message) -> Step:
    if type(message) is _Assistant:
        return "assistant", [call.id for call in message.tool_calls or ()]
    if type(message) is _Tool:
        return "tool", (message.tool_call_id,)
    return "user", ()


def _weights_of_speaking(messages: Sequence[_Message]) -> list[int | None]:
    answers = [message for message in messages if type(message) is _Assistant]
    return [answer.weight for answer in answers if answer.tool_calls or says(answer.content or "")]


_ARGUMENTS = Decoder(dict[str, Any])
_ANYTHING = Decoder(Any)
_good_tools: dict[bytes, None] = {}


def _are_good_tools(data: bytes) -> bool:
    if data in _good_tools:
        return True
    try:
        read_tools({"tools": _ANYTHING.decode(data)})
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, RowRefused):
        return False
    if len(_good_tools) >= KNOWN_TOOLS:
        _good_tools.clear()
    if len(data) < 1 << 16:
        _good_tools[data] = None
    return True
