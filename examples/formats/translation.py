"""A row format that is no part of Finery: {source, target, into?}, a text and its translation.

`import translation` registers it.
"""

from finery.contracts.datasets.conversation import Conversation, question_messages
from finery.contracts.datasets.examples import Example
from finery.contracts.datasets.formats import register
from finery.contracts.datasets.messages import Assistant
from finery.contracts.datasets.row_format import RowFormat
from finery.contracts.recipes.data_rules import ExampleKind


class Translation(RowFormat, kw_only=True):
    name = "translation"
    source: str
    target: str
    into: str | None = None

    def example(self) -> Example:
        question = question_messages(self.source, system=f"Translate into {self.into or 'English'}.")
        return Conversation.of([*question, Assistant(self.target)])


register(Translation, ExampleKind.CONVERSATION_OR_TEXT)
