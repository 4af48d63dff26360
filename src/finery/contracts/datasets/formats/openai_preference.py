"""{input: {messages, tools?}, preferred_output, non_preferred_output}: a preference as OpenAI has it."""

from finery.contracts.datasets.conversation import read_conversation
from finery.contracts.datasets.examples import Example, Preference
from finery.contracts.datasets.formats.base import MessageList, RowFormat
from finery.contracts.datasets.reading import RowRefused, kind_of, read_tools


class OpenAiPreference(RowFormat, kw_only=True):
    name = "openai_preference"
    input: object
    preferred_output: MessageList
    non_preferred_output: MessageList

    def example(self) -> Example:
        if not isinstance(self.input, dict):
            raise RowRefused("input", f"must be an object, not {kind_of(self.input)}")
        prompt = read_conversation(self.input.get("messages"), "input.messages")
        fields = ("preferred_output", "non_preferred_output")
        chosen = read_conversation(self.preferred_output, fields[0])
        rejected = read_conversation(self.non_preferred_output, fields[1])
        tools = read_tools(self.input.get("tools"), "input.tools")
        return Preference.of(prompt.messages, chosen.messages, rejected.messages, tools, fields=fields)
