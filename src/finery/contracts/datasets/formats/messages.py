"""{messages: [{role, content}…], system?, tools?}: a conversation in OpenAI's words."""

from finery.contracts.datasets.conversation import Conversation, read_answer
from finery.contracts.datasets.examples import Example, Feedback, Preference, Task
from finery.contracts.datasets.formats.base import MessageList, RowFormat, Tools
from finery.contracts.datasets.reading import read_messages, read_tools


class Messages(RowFormat, kw_only=True):
    name = "messages"
    messages: MessageList
    system: str | None = None
    tools: Tools = None

    def conversation(self) -> Conversation:
        conversation = Conversation.of(read_messages(self.messages, "messages"), "messages", self.system)
        if self.tools is not None:
            conversation.tools = read_tools(self.tools)
        return conversation

    def example(self) -> Example:
        return self.conversation()


class MessagesFeedback(Messages, kw_only=True):
    """The label is of the last answer."""

    name = "messages_feedback"
    label: bool

    def example(self) -> Example:
        return Feedback.of(self.conversation(), self.label, field="messages")


class MessagesPreference(Messages, kw_only=True):
    """{messages, chosen, rejected}: each answer is text, one message, or a list of messages."""

    name = "messages_preference"
    chosen: object
    rejected: object

    def example(self) -> Example:
        asked = self.conversation()
        chosen, rejected = read_answer(self.chosen, "chosen"), read_answer(self.rejected, "rejected")
        return Preference.of(asked.messages, chosen, rejected, asked.tools)


class MessagesTask(Messages, kw_only=True):
    """The conversation ends with the question."""

    def example(self) -> Example:
        return Task.of(self.conversation(), field="messages")
