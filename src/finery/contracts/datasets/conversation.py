"""Messages that follow each other, and what a check, a measurement and a training want to know of them."""

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

Texts = tuple[str | bytes, ...]
Tools = list[JsonObject] | None


class Conversation(Struct, gc=False):
    messages: list[Message]
    tools: Tools
    roles: tuple[Role, ...]
    learned: int
    """Answers that are learned: neither empty nor of weight 0."""
    masked: int = 0
    """Answers that say something and are not learned."""
    calls: Sequence[ToolCall] = ()
    is_unanswered: bool = False
    """Whether it goes on after a tool call that no tool answered."""

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
        """Raises RowRefused for messages that do not go together; `field`: where they stand.

        `system`: for messages that do not begin with one. `in_any_order`: a tool's answer still needs its call.
        """
        order = _orders.get(tuple(map(type, messages))) or _note_order(messages)
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
        # Nearly all conversations are of texts alone.
        if has_more:
            conversation._follow(field)
        if system and order.roles[:1] != ("system",):
            conversation.messages, conversation.roles = [System(system), *messages], ("system", *order.roles)
        return conversation

    def _follow(self, field: str) -> None:
        """Count answers and calls, and find which calls are answered. Raises RowRefused.

        Calls and answers without ids belong together by their order. Calls that end the conversation need no answer:
        they are what is taught.
        """
        learned = 0
        calls: list[ToolCall] = []
        asked: list[str | None] = []
        waiting: list[str | None] = []
        for index, message in enumerate(self.messages):
            if type(message) is Tool:
                answered = message.tool_call_id
                if answered is None or None in waiting:
                    waiting = []
                elif answered in waiting:
                    waiting.remove(answered)
                elif asked and None not in asked and answered not in asked:
                    reason = "names no tool call of the assistant's message before it"
                    raise RowRefused(f"{field}[{index}].tool_call_id", reason)
                continue
            if asked:
                self.is_unanswered = self.is_unanswered or waiting != []
                asked, waiting = [], []
            if type(message) is not Assistant:
                continue
            if message.content is None or message.tool_calls is not None:
                normalise_answer(message, field, index)
            if message.tool_calls:
                calls += message.tool_calls
                asked = [call.id for call in message.tool_calls]
                waiting = asked.copy()
            elif not has_text(message.content):
                continue
            if message.weight == 0:
                self.masked += 1
            else:
                learned += 1
        self.learned, self.calls = learned, calls

    @property
    def trains(self) -> list[bool]:
        """For each message, whether its tokens are learned."""
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
    """What follows from the roles of messages alone."""

    roles: tuple[Role, ...]
    answers: tuple[int, ...]
    """Which messages are the assistant's."""
    has_tools: bool
    issue: tuple[int, str] | None
    """The message that stands where none of its role may, and why."""


MOST_ORDERS, LONGEST_ORDER = 1000, 100
_orders: dict[tuple[type[Message], ...], Order] = {}
"""By the classes of the messages: the rows of most files have a few orders."""


def _note_order(messages: Sequence[Message]) -> Order:
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
            return index, "a system message must come before all others"
        if role == "tool" and previous not in ("assistant", "tool"):
            return index, "a tool's answer must follow an assistant's message"
        previous = role
    return None


def asked(question: str, *, system: str | None = None) -> list[Message]:
    """A question, after the system's message where there is one."""
    return [System(system), User(question)] if system else [User(question)]


def read_conversation(value: object, field: str) -> Conversation:
    """`value`: as of read_messages. Raises RowRefused."""
    return Conversation.of(read_messages(value, field), field)


def read_completion(value: object, field: str) -> list[Message]:
    """An answer: its text, or a list of messages. Raises RowRefused."""
    if isinstance(value, list):
        return read_conversation(value, field).messages
    if not isinstance(value, str):
        raise RowRefused(field, f"must be text or a list of messages, not {json_type_of(value)}")
    return [Assistant(value)]


def read_answer(value: object, field: str) -> list[Message]:
    """An answer that may also be one message. Raises RowRefused."""
    return [read_message(value, field)] if isinstance(value, dict) else read_completion(value, field)
