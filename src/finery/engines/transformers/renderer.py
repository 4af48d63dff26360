"""`python -m finery.engines.transformers.renderer`: applies chat templates, one after another, and loads no model.

Each message on stdin and stdout is JSON behind its length in four bytes. The first one out says `ready`; then each
Chat is answered with its `text`, or with why it was `refused`, or `out_of_bounds` as it would be with any messages.
The end of stdin is its own.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, TypedDict

MEMORY_BYTES = 2**29
CPU_SECONDS = 5.0
"""Of one rendering, which ordinarily takes a tenth of a millisecond."""
HEAD_BYTES = 4


class Chat(TypedDict):
    template: str
    special_tokens: dict[str, Any]
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    prompt: bool
    """End with what precedes an answer."""


def encoded(message: Mapping[str, Any]) -> bytes:
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return len(body).to_bytes(HEAD_BYTES, "big") + body


def decoded(body: bytes) -> Any:
    return json.loads(body.decode("utf-8", "surrogatepass"))


def main() -> int:
    from jinja2 import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    from finery.contracts.chat_prompts import ChatPrompts, NotRenderable, TemplateOutOfBounds, bounded

    render = bounded(render_jinja_template, memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _tell(sink, {"ready": True})
    known: dict[str, bool] = {}
    while head := source.read(HEAD_BYTES):
        chat: Chat = decoded(source.read(int.from_bytes(head, "big")))
        prompts = ChatPrompts(_Described(chat), render, template_error=TemplateError, writes_calls=known)
        try:
            told = {"text": prompts.text(chat["messages"], chat["tools"], prompt=chat["prompt"])}
        except TemplateOutOfBounds as error:
            told = {"out_of_bounds": str(error)}
        except NotRenderable as error:
            told = {"refused": str(error)}
        _tell(sink, told)
    return 0


class _Described:
    """What a rendering asks of a tokenizer."""

    eos_token_id: int | None = None

    def __init__(self, chat: Chat) -> None:
        self._template = chat["template"]
        self.special_tokens_map = chat["special_tokens"]

    def get_chat_template(self, chat_template: str | None = None, tools: Any = None) -> str:
        return self._template

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> Mapping[str, Any]:
        raise NotImplementedError("templates are rendered here; tokens are made where the model is")


def _tell(sink: BinaryIO, told: Mapping[str, Any]) -> None:
    sink.write(encoded(told))
    sink.flush()


if __name__ == "__main__":
    sys.exit(main())
