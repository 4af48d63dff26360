"""Training examples: the types that rows become, whatever their format in the file was."""

from collections.abc import Sequence
from typing import Self

from msgspec import Struct

from finery.contracts.datasets.conversation import Conversation, Texts, Tools
from finery.contracts.datasets.message_reader import RowRefused
from finery.contracts.datasets.messages import JsonObject, Message, has_text
from finery.kit.translatable import Translatable


class Text(Struct, frozen=True, gc=False):
    """Plain text, which is learned whole."""

    text: str

    @property
    def is_trainable(self) -> bool:
        return has_text(self.text)

    def as_conversation(self) -> Conversation:
        return Conversation.of([])

    def texts(self) -> Texts:
        return (self.text,)


class Preference(Struct, frozen=True, gc=False):
    prompt: list[Message]
    chosen: list[Message]
    """The answer after the prompt; never empty, and ends with an assistant's message, like `rejected`."""
    rejected: list[Message]
    conversations: tuple[Conversation, Conversation]
    """The prompt with the chosen, and with the rejected answer."""
    tools: Tools = None

    @classmethod
    def of(
        cls,
        prompt: list[Message],
        chosen: list[Message],
        rejected: list[Message],
        tools: Tools,
        *,
        fields: tuple[str, str] = ("chosen", "rejected"),
    ) -> Self:
        """Raises RowRefused for an invalid order of messages. `fields`: the columns of the answers, for the error."""
        for field, answer in zip(fields, (chosen, rejected), strict=True):
            if answer[-1].role != "assistant":
                raise RowRefused(field, Translatable("must end with an assistant's message"))
        conversations = Conversation.of(prompt + chosen, fields[0]), Conversation.of(prompt + rejected, fields[1])
        return cls(prompt, chosen, rejected, conversations, tools)

    @classmethod
    def of_conversations(cls, chosen: list[Message], rejected: list[Message], tools: Tools) -> Self:
        """Splits two conversations: their common prefix is the prompt, at least the last message the answer.

        Raises RowRefused.
        """
        longest = min(len(chosen), len(rejected)) - 1
        split = 0
        while split < longest and chosen[split].as_dict() == rejected[split].as_dict():
            split += 1
        if split == 0:
            raise RowRefused("rejected[0]", Translatable("must begin with the same messages as chosen"))
        return cls.of(chosen[:split], chosen[split:], rejected[split:], tools)

    @property
    def is_trainable(self) -> bool:
        if not _say_something(self.chosen) or not _say_something(self.rejected):
            return False
        if self.chosen[-1].content != self.rejected[-1].content:
            return True
        # as_dict leaves out weights: messages that differ only there are equal.
        return [message.as_dict() for message in self.chosen] != [message.as_dict() for message in self.rejected]

    def as_conversation(self) -> Conversation:
        return self.conversations[0]

    def texts(self) -> Texts:
        return self.conversations[0].texts() + self.conversations[1].texts()


class Feedback(Struct, frozen=True, gc=False):
    prompt: list[Message]
    completion: list[Message]
    """Never empty, ends with an assistant's message."""
    label: bool
    """True: a good answer."""
    conversation: Conversation
    """Prompt and completion together."""
    tools: Tools = None

    @classmethod
    def of(cls, conversation: Conversation, label: bool, *, field: str) -> Self:
        """The label is of the last assistant's messages. Raises RowRefused; `field`: their column, for the error."""
        messages = conversation.messages
        start = len(messages)
        while start and messages[start - 1].role == "assistant":
            start -= 1
        if start == len(messages):
            raise RowRefused(field, Translatable("must end with an assistant's message"))
        if start == 0 or messages[start - 1].role == "system":
            raise RowRefused(field, Translatable("has no question before the answer"))
        return cls(messages[:start], messages[start:], label, conversation, conversation.tools)

    @property
    def is_trainable(self) -> bool:
        return _say_something(self.completion)

    def as_conversation(self) -> Conversation:
        return self.conversation

    def texts(self) -> Texts:
        return (*self.conversation.texts(), str(self.label))


class Task(Struct, gc=False):
    """A prompt that the model answers itself, with the row for the grader."""

    prompt: list[Message]
    """Never empty, ends with a user's or a tool's message."""
    conversation: Conversation
    """The prompt as a conversation."""
    tools: Tools = None
    item: JsonObject = {}
    """The whole row, whose columns a grader's templates name; the row's reader sets it."""

    @classmethod
    def of(cls, conversation: Conversation, *, field: str) -> Self:
        """Raises RowRefused. `field`: the prompt's column, for the error."""
        if conversation.roles[-1] not in ("user", "tool"):
            raise RowRefused(field, Translatable("must end with a user's message: the model gives the answer itself"))
        return cls(conversation.messages, conversation, conversation.tools)

    @property
    def is_trainable(self) -> bool:
        return has_text(self.prompt[-1].content)

    def as_conversation(self) -> Conversation:
        return self.conversation

    def texts(self) -> Texts:
        return self.conversation.texts()


Example = Conversation | Text | Preference | Feedback | Task
"""`as_conversation` returns a row's messages; of a preference, with the chosen answer. `texts` returns all texts of the
row; rows with the same texts are duplicates.
"""


def _say_something(messages: Sequence[Message]) -> bool:
    """Returns whether an assistant's message has content; the last message is one."""
    text = messages[-1].content
    if text and not text.isspace():
        return True
    return any(message.role == "assistant" and message.has_content for message in messages)
