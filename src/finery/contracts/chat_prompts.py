"""Renders and tokenizes chats with a model's chat template, for training and serving alike (`ChatPrompts`).

Tokenizer and renderer are passed in, since a server without the training stack imports this module too.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from finery.kit import limits

FALLBACK_CHAT_TEMPLATE: str = """\
{%- for message in messages -%}
    {%- if message['role'] == 'system' -%}
        {{- message['content'] + '\\n\\n' -}}
    {%- elif message['role'] == 'user' -%}
        {{- '### Instruction:\\n' + message['content'] + '\\n\\n' -}}
    {%- elif message['role'] == 'assistant' -%}
        {{- '### Response:\\n' -}}
        {%- generation -%}
            {{- message['content'] + (eos_token or '') -}}
        {%- endgeneration -%}
        {{- '\\n\\n' -}}
    {%- else -%}
        {{- raise_exception('This model knows the roles system, user and assistant, not ' + message['role']) -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '### Response:\\n' -}}
{%- endif -%}
"""


def alpaca_prompt(instruction: str, input_text: str) -> str:
    """Returns the user message of an Alpaca row."""
    if not input_text:
        return instruction
    return f"{instruction}\n\n### Input:\n{input_text}"


Span = tuple[int, int]
"""A range of characters [start, end) in the rendered text."""


class Tokenizer(Protocol):
    """The part of transformers' PreTrainedTokenizerBase that is used here."""

    eos_token_id: int | None

    @property
    def special_tokens_map(self) -> Mapping[str, Any]: ...

    def get_chat_template(self, chat_template: str | None = None, tools: Any = None) -> str: ...

    def __call__(self, text: str, *, add_special_tokens: bool = True) -> Mapping[str, Any]: ...


def fallback_template(tokenizer: Tokenizer) -> str:
    """Returns the chat template of a model that has none.

    It begins with the start token where the tokenizer puts that before every text: such a model has seen no text
    without. A rendered text is tokenized as it is, so that the template must write it.
    """
    start = tokenizer.special_tokens_map.get("bos_token")
    if start is None or not _puts_first(tokenizer, str(start)):
        return FALLBACK_CHAT_TEMPLATE
    return "{{- bos_token -}}\n" + FALLBACK_CHAT_TEMPLATE


def _puts_first(tokenizer: Tokenizer, token: str) -> bool:
    alone = list(tokenizer(token, add_special_tokens=False)["input_ids"])
    with_start, without = (list(tokenizer("a", add_special_tokens=adds)["input_ids"]) for adds in (True, False))
    return len(alone) == 1 and with_start[:1] == alone != without[:1]


class TemplateRenderer(Protocol):
    """The signature of transformers.utils.chat_template_utils.render_jinja_template."""

    def __call__(
        self, conversations: list[list[dict[str, Any]]], tools: Any, *, chat_template: str, **options: Any
    ) -> tuple[list[str], list[Any]]: ...


RAISED_BY_TEMPLATES = (
    *(TypeError, ValueError, LookupError, AttributeError, ArithmeticError),
    # Macros that call themselves, and expressions that are nested too deeply, raise these.
    *(RecursionError, SyntaxError),
)
MOST_ADDED, MOST_REPEATED = 2**20, 16
"""A template may render MOST_ADDED characters plus MOST_REPEATED copies of its messages. Each character may become a
token, and a tokenizer takes more than a hundred bytes of memory per token."""
PROBE_NAME = "finery_probe"
PROBE_ARGUMENTS = {"finery": 1}


def calling_probe(calls: int = 1) -> dict[str, Any]:
    """Returns a message with tool calls, which shows whether a chat template renders them."""
    # Some templates require an id of nine letters and digits.
    call = {"type": "function", "id": "finery001", "function": {"name": PROBE_NAME, "arguments": PROBE_ARGUMENTS}}
    return {"role": "assistant", "content": "", "tool_calls": [call] * calls}


_QUESTION = {"role": "user", "content": "?"}
_THOUGHT = {"role": "assistant", "content": f"<think>{PROBE_NAME}</think>!"}
_REASONED = {"role": "assistant", "content": "!", "reasoning_content": PROBE_NAME}
_PROBE_TOOL = {"type": "function", "function": {"name": PROBE_NAME, "description": "?", "parameters": {}}}
_PROBES: dict[str, tuple[list[dict[str, str]], list[dict[str, Any]] | None]] = {
    "tools": ([_QUESTION], [_PROBE_TOOL]),
    "reasoning": ([_QUESTION, _REASONED], None),
    "thoughts": ([_QUESTION, _THOUGHT], None),
}


class NotRenderable(ValueError):
    """The chat template refuses the messages or would drop a part of them; the message quotes its error."""


class TemplateOutOfBounds(NotRenderable):
    """Rendering exceeds what a chat template needs. It would do so with other messages, too."""


def bounded(render: TemplateRenderer, *, memory_bytes: int, cpu_seconds: float) -> TemplateRenderer:
    """Wraps `render` in the bounds of `kit.limits.bounded`, since a template is a program of whoever wrote it.

    The returned renderer also raises TemplateOutOfBounds.
    """

    def rendered(
        conversations: list[list[dict[str, Any]]], tools: Any, *, chat_template: str, **options: Any
    ) -> tuple[list[str], list[Any]]:
        try:
            with limits.bounded(memory_bytes=memory_bytes, cpu_seconds=cpu_seconds):
                return render(conversations, tools, chat_template=chat_template, **options)
        except MemoryError:
            # Raised without its cause, whose frames would keep the rendered text in memory.
            message = f"the chat template takes more than {memory_bytes / 2**30:g} GiB of memory"
            raise TemplateOutOfBounds(message) from None
        except limits.TookTooLong:
            raise TemplateOutOfBounds(f"the chat template takes more than {cpu_seconds:g} seconds") from None

    return rendered


OTHER_TEMPLATE = "choose another chat_template"
ENDLESS_TEMPLATE = f"the chat template takes more time of the processor than a rendering may; {OTHER_TEMPLATE}"
"""The message for a process that `kit.limits.HANG_SIGNAL` ended: only rendering is bounded that way."""


class CallsLeftOut(NotRenderable):
    def __init__(self) -> None:
        super().__init__("the chat template leaves out tool calls")


class ChatPrompts:
    """Turns chats and texts into the prompts of one model."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        render: TemplateRenderer,
        *,
        template_error: type[Exception] = ValueError,
        writes_calls: dict[str, bool] | None = None,
    ) -> None:
        """`template_error`: what `render` raises beside Python's own errors. `writes_calls`: a cache of which templates
        render tool calls, to be shared between instances.
        """
        self._tokenizer = tokenizer
        self._render = render
        self._refusals = (template_error, *RAISED_BY_TEMPLATES)
        self._writes_calls: dict[str, bool] = {} if writes_calls is None else writes_calls
        self._left_out: dict[str, frozenset[str]] = {}

    def template(self, tools: Sequence[Any] | None = None) -> str:
        """Returns the chat template; a tokenizer may have another one for chats with tools."""
        return self._tokenizer.get_chat_template(tools=tools or None)

    def text(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None, *, prompt: bool = False
    ) -> str:
        """Renders the messages; with `prompt`, up to the start of the next answer. Raises NotRenderable."""
        return self._rendered(messages, tools, add_generation_prompt=prompt)[0]

    def marked(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None
    ) -> tuple[str, list[Span]]:
        """Renders the messages; also returns the spans that the template marks as generated. Raises NotRenderable."""
        return self._rendered(messages, tools, return_assistant_tokens_mask=True)

    def ids(self, text: str) -> list[int]:
        """Tokenizes a rendered text, which holds its special tokens already."""
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def chat(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None = None) -> list[int]:
        """Returns the tokens of a chat up to the start of the next answer. Raises NotRenderable."""
        return self.ids(self.text(messages, tools, prompt=True))

    def plain(self, text: str) -> list[int]:
        """Returns the tokens of a text that the model is to continue, without a template: with the tokens that the
        tokenizer puts before a text, but without the end token that some append. A start token that is in the text
        already is not repeated.
        """
        ids = list(self._tokenizer(text)["input_ids"])
        if ids[:1] == ids[1:2] and ids[1 : 1 + len(own := self.ids(text))] == own:
            ids = ids[1:]
        end = self._tokenizer.eos_token_id
        return ids[:-1] if ids[-1:] == [end] and self.ids(text)[-1:] != [end] else ids

    def left_out(self, tools: Sequence[Any] | None = None) -> frozenset[str]:
        """Returns what the template leaves out of a chat, found by a probe: its `tools`, an answer's `reasoning`, or
        `thoughts` that stand in the answer's own text.
        """
        template = self.template(tools)
        if template not in self._left_out:
            self._left_out[template] = frozenset(
                name
                for name, (messages, offered) in _PROBES.items()
                if not self._is_written(self.template(offered), messages, offered)
            )
        return self._left_out[template]

    def _is_written(self, template: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None) -> bool:
        try:
            return PROBE_NAME in self._applied(template, messages, tools)[0]
        except NotRenderable:
            # It looks at what it is given, and raises its own error if it does not accept that.
            return True

    def _rendered(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None, **options: bool
    ) -> tuple[str, list[Span]]:
        template = self.template(tools)
        if any(message.get("tool_calls") for message in messages) and not self._knows_calls(template):
            raise CallsLeftOut
        return self._applied(template, messages, tools, **options)

    def _knows_calls(self, template: str) -> bool:
        """Returns whether the template renders tool calls; many drop them without an error."""
        if template not in self._writes_calls:
            self._writes_calls[template] = self._is_written(template, [_QUESTION, calling_probe()], None)
        return self._writes_calls[template]

    def _applied(
        self, template: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None, **options: bool
    ) -> tuple[str, list[Span]]:
        # Templates test whether a key is there, not whether it is null.
        given = [{name: value for name, value in message.items() if value is not None} for message in messages]
        try:
            texts, spans = self._render(
                [given],
                tools or None,
                chat_template=template,
                **options,
                **self._tokenizer.special_tokens_map,
            )
        except NotRenderable:
            raise
        except self._refusals as error:
            if (written := _with_written_arguments(given)) != given:
                # Some templates concatenate arguments with text, which fails for objects.
                return self._applied(template, written, tools, **options)
            raise NotRenderable(f"the chat template refuses the messages: {error}") from error
        _check_length(texts[0], given, tools)
        return texts[0], [(start, end) for start, end in spans[0]] if spans else []


def _with_written_arguments(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the messages with the arguments of their tool calls as JSON text."""

    def written(call: Mapping[str, Any]) -> dict[str, Any]:
        function, arguments = call["function"], call["function"]["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return {**call, "function": {**function, "arguments": text}}

    return [
        {**message, "tool_calls": [written(call) for call in message["tool_calls"]]}
        if message.get("tool_calls")
        else dict(message)
        for message in messages
    ]


def _check_length(text: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None) -> None:
    """Raises TemplateOutOfBounds."""
    if len(text) <= MOST_ADDED:
        return
    given = len(json.dumps([messages, tools], ensure_ascii=False))
    if len(text) > MOST_ADDED + MOST_REPEATED * given:
        raise TemplateOutOfBounds(f"the chat template makes {len(text):,} characters of messages with {given:,}")


def end_tokens(declared: int | Iterable[int] | None, of_tokenizer: int | None) -> frozenset[int]:
    """Returns the tokens that end an answer: the model's, and its tokenizer's, which fine-tuning may have changed."""
    own = {declared} if isinstance(declared, int) else set(declared or ())
    return frozenset(own if of_tokenizer is None else {*own, of_tokenizer})
