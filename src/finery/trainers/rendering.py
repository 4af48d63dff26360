"""From messages to text, with the places that are learned marked in it."""

import re
from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from finery.contracts.datasets import Conversation, Message

GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
Span = tuple[int, int]
"""Characters [start, end) of the rendered text."""


class Unmarkable(ValueError):
    """The template renders this conversation in a way in which the learned parts cannot be found exactly."""


class Renderer:
    """Applies a tokenizer's chat template."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._template: str = tokenizer.chat_template
        self._special = tokenizer.special_tokens_map
        self.has_marks = bool(GENERATION.search(self._template))

    def text(self, messages: Sequence[Message], tools: list[dict[str, Any]] | None, *, prompt: bool = False) -> str:
        """`prompt`: end with what precedes an answer. Raises Unmarkable when the template refuses the messages."""
        rendered, _ = self._render(messages, tools, add_generation_prompt=prompt)
        return rendered

    def learned(self, row: Conversation) -> tuple[str, list[Span]]:
        """The text of a conversation and the spans of its learned turns. Raises Unmarkable."""
        if self.has_marks:
            return self._by_marks(row)
        return self._by_prefixes(row)

    def _by_marks(self, row: Conversation) -> tuple[str, list[Span]]:
        text, spans = self._render(row.messages, row.tools, return_assistant_tokens_mask=True)
        assistants = [index for index, message in enumerate(row.messages) if message["role"] == "assistant"]
        if len(spans) != len(assistants):
            raise Unmarkable("the chat template marks another number of answers than there are")
        return text, [span for span, index in zip(spans, assistants, strict=True) if row.trains[index]]

    def _by_prefixes(self, row: Conversation) -> tuple[str, list[Span]]:
        """A turn is what its rendering adds to the prompt before it.

        Some templates rewrite earlier turns (they drop the reasoning of all answers but the last). What precedes an
        answer is then not what the model was asked with, and the turn cannot be learned.
        """
        text = self.text(row.messages, row.tools)
        spans = []
        for index, trains in enumerate(row.trains):
            if not trains:
                continue
            before = self.text(row.messages[:index], row.tools, prompt=True)
            after = self.text(row.messages[: index + 1], row.tools)
            if not text.startswith(before) or not text.startswith(after.rstrip()):
                raise Unmarkable("the chat template renders earlier turns anew, so an answer's place is not certain")
            spans.append((len(before), len(after) if text.startswith(after) else len(after.rstrip())))
        return text, spans

    def _render(
        self, messages: Sequence[Message], tools: list[dict[str, Any]] | None, **options: bool
    ) -> tuple[str, list[Span]]:
        try:
            texts, spans = render_jinja_template(
                [list(messages)], tools=tools, chat_template=self._template, **options, **self._special
            )
        except (TemplateError, TypeError, ValueError, LookupError) as error:
            raise Unmarkable(f"the chat template refuses the messages: {error}") from error
        return texts[0], [(start, end) for start, end in spans[0]] if spans else []
