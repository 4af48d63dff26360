"""The formats that a dataset row may have: one module for each, told apart by the columns that a row has."""

from finery.contracts.datasets.examples import ExampleKind
from finery.contracts.datasets.formats.alpaca import Alpaca, AlpacaFeedback, AlpacaPreference, AlpacaTask
from finery.contracts.datasets.formats.base import RowFormat as RowFormat
from finery.contracts.datasets.formats.implicit import ImplicitPreference
from finery.contracts.datasets.formats.messages import Messages, MessagesFeedback, MessagesPreference, MessagesTask
from finery.contracts.datasets.formats.openai_preference import OpenAiPreference
from finery.contracts.datasets.formats.prompt import Prompt, PromptCompletion, PromptFeedback, PromptPreference
from finery.contracts.datasets.formats.question import QuestionAnswer, QuestionTask
from finery.contracts.datasets.formats.sharegpt import ShareGpt, ShareGptFeedback, ShareGptPreference
from finery.contracts.datasets.formats.text import PlainText

FORMATS: dict[ExampleKind, tuple[type[RowFormat], ...]] = {
    ExampleKind.FEEDBACK: (ShareGptFeedback, MessagesFeedback, AlpacaFeedback, PromptFeedback),
    ExampleKind.PREFERENCE: (
        ShareGptPreference,
        AlpacaPreference,
        PromptPreference,
        MessagesPreference,
        ImplicitPreference,
        OpenAiPreference,
    ),
    ExampleKind.CONVERSATION_OR_TEXT: (Messages, ShareGpt, Alpaca, PromptCompletion, QuestionAnswer, PlainText),
    ExampleKind.TEXT: (PlainText,),
    ExampleKind.TASK: (MessagesTask, Prompt, QuestionTask, AlpacaTask),
}
"""What may become an example of each kind, in the order of trial: a row with the columns of two is of the first."""


def register(row_format: type[RowFormat], kind: ExampleKind) -> None:
    """Have rows of the format, which is tried after all others of its kind, become examples of this kind."""
    FORMATS[kind] = (*FORMATS[kind], row_format)


def every_format() -> tuple[type[RowFormat], ...]:
    """One of each name."""
    named: dict[str, type[RowFormat]] = {}
    for formats in FORMATS.values():
        for row_format in formats:
            named.setdefault(row_format.name, row_format)
    return tuple(named.values())
