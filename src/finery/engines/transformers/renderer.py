"""`python -m finery.engines.transformers.renderer`: renders chat templates for the engine, in a process of its own.

A frame on stdin and stdout is JSON behind its length in four bytes. The first on stdout says `ready`; then each
RenderRequest is answered with its `text`, or why it was `refused`, or why the template itself is `out_of_bounds`.
The process ends at the end of stdin.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, TypedDict

MEMORY_BYTES = 2**29
CPU_SECONDS = 5.0
"""The limit of one rendering, which ordinarily takes a tenth of a millisecond."""
HEAD_BYTES = 4


class RenderRequest(TypedDict):
    template: str
    special_tokens: dict[str, Any]
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] | None
    prompt: bool
    """Whether the text ends with what precedes an answer (`add_generation_prompt`)."""


def encode_frame(message: Mapping[str, Any]) -> bytes:
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return len(body).to_bytes(HEAD_BYTES, "big") + body


def decode_frame(body: bytes) -> Any:
    return json.loads(body.decode("utf-8", "surrogatepass"))


def main() -> int:
    from jinja2 import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    from finery.contracts.chat_prompts import ChatPrompts, NotRenderable, TemplateOutOfBounds, bounded

    render = bounded(render_jinja_template, memory_bytes=MEMORY_BYTES, cpu_seconds=CPU_SECONDS)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _send(sink, {"ready": True})
    known: dict[str, bool] = {}
    while head := source.read(HEAD_BYTES):
        request: RenderRequest = decode_frame(source.read(int.from_bytes(head, "big")))
        prompts = ChatPrompts(_RequestTokenizer(request), render, template_error=TemplateError, writes_calls=known)
        try:
            reply = {"text": prompts.text(request["messages"], request["tools"], prompt=request["prompt"])}
        except TemplateOutOfBounds as error:
            reply = {"out_of_bounds": str(error)}
        except NotRenderable as error:
            reply = {"refused": str(error)}
        _send(sink, reply)
    return 0


class _RequestTokenizer:
    """The part of a tokenizer that rendering needs, from the request."""

    eos_token_id: int | None = None

    def __init__(self, request: RenderRequest) -> None:
        self._template = request["template"]
        self.special_tokens_map = request["special_tokens"]

    def get_chat_template(self, chat_template: str | None = None, tools: Any = None) -> str:
        return self._template

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> Mapping[str, Any]:
        raise NotImplementedError("templates are rendered here; tokens are made where the model is")


def _send(sink: BinaryIO, reply: Mapping[str, Any]) -> None:
    sink.write(encode_frame(reply))
    sink.flush()


if __name__ == "__main__":
    sys.exit(main())
