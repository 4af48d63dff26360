"""A conversation: messages in a valid order, with counts of learned answers and of tool calls."""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple, Self

from msgspec import Struct

from finery.contracts.datasets.message_reader import (
    RowRefused,
    json_type_of,
    normalise_answer,
    read_message,
    read_messages,
)
from finery.contracts.datasets.messages import (
    Assistant,
    JsonObject,
    Message,
    Role,
    System,
    Tool,
    ToolCall,
    User,
    functions_as_json,
    has_text,
)
from finery.kit.translatable import Translatable

Texts = tuple[str | bytes, ...]
Tools = list[JsonObject] | None


class Conversation(Struct, gc=False):
    messages: list[Message]
    tools: Tools
    roles: tuple[Role, ...]
    learned: int
    """Number of learned answers: neither empty nor of weight 0."""
    masked: int = 0
    """Number of answers of weight 0 that are not empty."""
    calls: Sequence[ToolCall] = ()
    is_unanswered: bool = False
    """Whether it continues after a tool call that no tool answered."""

    @classmethod
    def of(
        cls,
        messages: list[Message],
        field: str = "messages",
        system: str | None = None,
        *,
        tools: Tools = None,
        in_any_order: bool = False,
    ) -> Self:
        """Raises RowRefused for an invalid order of messages. `field`: their column, for the error.

        `system` is prepended if they do not begin with one. `in_any_order`: only tool answers are checked, for a call.
        """
        order = _orders.get(tuple(map(type, messages))) or _order_of(messages)
        if order.issue is not None and not in_any_order:
            index, reason = order.issue
            raise RowRefused(f"{field}[{index}].{'from' if field == 'conversations' else 'role'}", reason)
        conversation = cls(messages, tools, order.roles, len(order.answers))
        has_more = order.has_tools
        for index in order.answers:
            answer = messages[index]
            text = answer.content
            if not text or text.isspace() or answer.tool_calls is not None or answer.weight is not None:
                has_more = True
        # Nearly all conversations are of texts alone, so they skip this.
        if has_more:
            conversation._match_calls(field)
        if system and order.roles[:1] != ("system",):
            conversation.messages, conversation.roles = [System(system), *messages], ("system", *order.roles)
        return conversation

    def _match_calls(self, field: str) -> None:
        """Counts answers and calls, and matches calls with their answers. Raises RowRefused.

        Calls and answers without ids are matched by order. Calls at the end of the conversation need no answer, since
        they are what is learned.
        """
        learned = 0
        calls: list[ToolCall] = []
        call_ids: list[str | None] = []
        waiting: list[str | None] = []
        for index, message in enumerate(self.messages):
            if type(message) is Tool:
                answered = message.tool_call_id
                if answered is None or None in waiting:
                    waiting = []
                elif answered in waiting:
                    waiting.remove(answered)
                elif call_ids and None not in call_ids and answered not in call_ids:
                    reason = Translatable("names no tool call of the assistant's message before it")
                    raise RowRefused(f"{field}[{index}].tool_call_id", reason)
                continue
            if call_ids:
                self.is_unanswered = self.is_unanswered or waiting != []
                call_ids, waiting = [], []
            if type(message) is not Assistant:
                continue
            if message.content is None or message.tool_calls is not None:
                normalise_answer(message, field, index)
            if message.tool_calls:
                calls += message.tool_calls
                call_ids = [call.id for call in message.tool_calls]
                waiting = call_ids.copy()
            elif not has_text(message.content):
                continue
            if message.weight == 0:
                self.masked += 1
            else:
                learned += 1
        self.learned, self.calls = learned, calls

    @property
    def trains(self) -> list[bool]:
        """Whether each message's tokens are learned."""
        return [
            role == "assistant" and message.weight != 0 and message.has_content
            for role, message in zip(self.roles, self.messages, strict=True)
        ]

    @property
    def is_trainable(self) -> bool:
        return self.learned > 0

    def as_conversation(self) -> "Conversation":
        return self

    def texts(self) -> Texts:
        texts = tuple(map(_content, self.messages))
        return (*texts, functions_as_json(self.calls)) if self.calls else texts


_content = attrgetter("content")


class Order(NamedTuple):
    """What follows from the roles of the messages alone."""

    roles: tuple[Role, ...]
    answers: tuple[int, ...]
    """Indexes of the assistant's messages."""
    has_tools: bool
    issue: tuple[int, str] | None
    """The index of the first message in a wrong place, and the reason."""


MOST_ORDERS, LONGEST_ORDER = 1000, 100
_orders: dict[tuple[type[Message], ...], Order] = {}
"""A cache by the classes of the messages, since the rows of most files have a few orders."""


def _order_of(messages: Sequence[Message]) -> Order:
    roles = tuple(message.role for message in messages)
    answers = tuple(index for index, role in enumerate(roles) if role == "assistant")
    order = Order(roles, answers, "tool" in roles, _issue_of(roles))
    if len(_orders) >= MOST_ORDERS:
        _orders.clear()
    if len(messages) <= LONGEST_ORDER:
        _orders[tuple(map(type, messages))] = order
    return order


def _issue_of(roles: Sequence[Role]) -> tuple[int, str] | None:
    previous: Role = "system"
    for index, role in enumerate(roles):
        if role == "system" and previous != "system":
            return index, Translatable("a system message must come before all others")
        if role == "tool" and previous not in ("assistant", "tool"):
            return index, Translatable("a tool's answer must follow an assistant's message")
        previous = role
    return None


def question_messages(question: str, *, system: str | None = None) -> list[Message]:
    """Returns the messages of a question, with a system message if there is one."""
    return [System(system), User(question)] if system else [User(question)]


def read_conversation(value: object, field: str) -> Conversation:
    """Reads a conversation; `value`: see read_messages. Raises RowRefused."""
    return Conversation.of(read_messages(value, field), field)


def read_completion(value: object, field: str) -> list[Message]:
    """Reads an answer: text, or a list of messages. Raises RowRefused."""
    if isinstance(value, list):
        return read_conversation(value, field).messages
    if not isinstance(value, str):
        raise RowRefused(
            field, Translatable("must be text or a list of messages, not {value}", value=json_type_of(value))
        )
    return [Assistant(value)]


def read_answer(value: object, field: str) -> list[Message]:
    """Reads an answer that may also be one message. Raises RowRefused."""
    return [read_message(value, field)] if isinstance(value, dict) else read_completion(value, field)
