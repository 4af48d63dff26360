"""{conversations: [{from, value}…], system?, tools?}: a conversation in ShareGPT's words."""

from finery.contracts.datasets.conversation import Conversation, read_answer
from finery.contracts.datasets.examples import Example, Feedback, Preference
from finery.contracts.datasets.formats.base import RowFormat, Tools, TurnList
from finery.contracts.datasets.reading import read_messages, read_tools


class ShareGpt(RowFormat, kw_only=True):
    name = "sharegpt"
    conversations: TurnList
    system: str | None = None
    tools: Tools = None

    def conversation(self) -> Conversation:
        conversation = Conversation.of(read_messages(self.conversations, "conversations"), "conversations", self.system)
        if self.tools is not None:
            conversation.tools = read_tools(self.tools)
        return conversation

    def example(self) -> Example:
        return self.conversation()


class ShareGptFeedback(ShareGpt, kw_only=True):
    """The label is of the last answer."""

    name = "sharegpt_feedback"
    label: bool

    def example(self) -> Example:
        return Feedback.of(self.conversation(), self.label, field="conversations")


class ShareGptPreference(ShareGpt, kw_only=True):
    """{conversations, chosen: {from, value}, rejected: {from, value}}"""

    name = "sharegpt_preference"
    chosen: object
    rejected: object

    def example(self) -> Example:
        asked = self.conversation()
        chosen, rejected = read_answer(self.chosen, "chosen"), read_answer(self.rejected, "rejected")
        return Preference.of(asked.messages, chosen, rejected, asked.tools)
