"""Renders conversations by the chat template, and finds the spans of text that are learned."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from finery.contracts.chat_prompts import (
    OTHER_TEMPLATE,
    CallsLeftOut,
    ChatPrompts,
    NotRenderable,
    Span,
    TemplateOutOfBounds,
    bounded,
)
from finery.contracts.datasets import Conversation
from finery.trainers.errors import TrainingRefused

MEMORY_BYTES = 2**30
CPU_SECONDS = 5.0
"""The limit of one rendering, which ordinarily takes a ten-thousandth of it."""
OPENED = re.compile(r"(<[A-Za-z_|]+>)\s*$")
GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


class RowNotEncodable(ValueError):
    """The row cannot be learned exactly: the template refuses it, or hides where its answers begin and end."""


class RowRefusedByTemplate(RowNotEncodable):
    """The template refuses the messages, or leaves out a part of them."""


class TemplateRefused(TrainingRefused):
    """The chat template exceeds the bounds of a rendering, as it would with every row."""


def prompts_of(tokenizer: PreTrainedTokenizerBase) -> ChatPrompts:
    render = bounded(render_jinja_template, memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    return ChatPrompts(tokenizer, render, template_error=TemplateError)


class Renderer:
    """Applies a tokenizer's chat template."""

    def __init__(self, prompts: ChatPrompts) -> None:
        self._prompts = prompts

    def has_marks(self, tools: list[dict[str, Any]] | None) -> bool:
        return bool(GENERATION.search(self._prompts.template(tools)))

    def text(
        self, messages: Sequence[Mapping[str, Any]], tools: list[dict[str, Any]] | None, *, prompt: bool = False
    ) -> str:
        """Returns the text; `prompt` ends it with what precedes an answer. Raises RowNotEncodable, TemplateRefused."""
        try:
            return self._prompts.text(messages, tools, prompt=prompt)
        except NotRenderable as error:
            raise _not_encodable(error) from error

    def learned(self, row: Conversation) -> tuple[str, list[Span]]:
        """Returns the text and the spans of its learned turns. Raises RowNotEncodable, TemplateRefused."""
        if self.has_marks(row.tools):
            return self._by_marks(row)
        return self._by_prefixes(row)

    def _by_marks(self, row: Conversation) -> tuple[str, list[Span]]:
        """Finds the spans by the template's own `{% generation %}` marks."""
        try:
            text, spans = self._prompts.marked([message.as_dict() for message in row.messages], row.tools)
        except NotRenderable as error:
            raise _not_encodable(error) from error
        are_learned = [trains for role, trains in zip(row.roles, row.trains, strict=True) if role == "assistant"]
        if len(spans) != len(are_learned):
            raise RowNotEncodable("the chat template marks another number of answers than there are")
        return text, [span for span, is_learned in zip(spans, are_learned, strict=True) if is_learned]

    def _by_prefixes(self, row: Conversation) -> tuple[str, list[Span]]:
        """Finds a turn's span as what its rendering adds to the prompt before it.

        Some templates rewrite earlier turns (they drop the reasoning of all answers but the last). The text before an
        answer is then not the prompt that a served model would get, and the turn cannot be learned.
        """
        messages = [message.as_dict() for message in row.messages]
        text = self.text(messages, row.tools)
        spans = []
        for index, trains in enumerate(row.trains):
            if not trains:
                continue
            before = self.text(messages[:index], row.tools, prompt=True)
            after = self.text(messages[: index + 1], row.tools)
            if not text.startswith(before) or not text.startswith(after.rstrip()):
                reason = "the chat template renders earlier turns anew, so an answer's place is not certain"
                raise RowNotEncodable(opened_reasoning(before, text) or reason)
            spans.append((len(before), len(after) if text.startswith(after) else len(after.rstrip())))
        return text, spans


def opened_reasoning(asked: str, text: str) -> str | None:
    """Returns why an answer's span is not found where the template ends a prompt with the reasoning's opening tag."""
    opened = OPENED.search(asked)
    if opened is None or not text.startswith(asked[: opened.start()]):
        return None
    return (
        f"the chat template asks the model with {opened[1]} already written, and writes answers without it; name a "
        "chat_template that does the same in both"
    )


def _not_encodable(error: NotRenderable) -> RowNotEncodable | TemplateRefused:
    if isinstance(error, TemplateOutOfBounds):
        return TemplateRefused(f"{error}; {OTHER_TEMPLATE}")
    remedy = "; name one that writes them as chat_template" if isinstance(error, CallsLeftOut) else ""
    return RowRefusedByTemplate(f"{error}{remedy}")
