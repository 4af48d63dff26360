"""{chosen, rejected, tools?}: two whole conversations that begin alike."""

from finery.contracts.datasets.conversation import read_conversation
from finery.contracts.datasets.examples import Example, Preference
from finery.contracts.datasets.formats.base import RowFormat, Tools
from finery.contracts.datasets.reading import RowRefused, read_tools


class ImplicitPreference(RowFormat, kw_only=True):
    name = "implicit_preference"
    chosen: object
    rejected: object
    tools: Tools = None

    def example(self) -> Example:
        for field, value in (("chosen", self.chosen), ("rejected", self.rejected)):
            if not isinstance(value, list):
                raise RowRefused("prompt", f"missing; without it, {field} must be a list of messages")
        chosen, rejected = read_conversation(self.chosen, "chosen"), read_conversation(self.rejected, "rejected")
        return Preference.of_conversations(chosen.messages, rejected.messages, read_tools(self.tools))
