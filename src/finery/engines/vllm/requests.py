"""The requests that may be passed on to vLLM, which ignores unknown keys and fetches whatever a message links to.

The parameters beyond OpenAI's are those of its "OpenAI-compatible server" (docs.vllm.ai, serving), as of 0.11, that
concern one answer alone. Left out are those that would replace the chat template that was trained with, that reach
into the engine itself (`priority`, `kv_transfer_params`, `vllm_xargs`), or that newer versions have dropped
(`guided_json` and its kin, which `structured_outputs` has replaced).
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from finery.engines.wire import ChatRequest, CompletionRequest, GenerationRequest, TokenId
from finery.engines.wire_types import AssistantMessage, ManyOf, SpokenMessage, ToolMessage, WireModel

RESERVED = frozenset({"chat_template", "tokenize", "conversation", "messages", "tools", "documents"})
"""Arguments of `apply_chat_template` itself, which would replace what the server has checked."""


def _settings_alone(value: dict[str, Any]) -> dict[str, Any]:
    if taken := sorted(RESERVED & value.keys()):
        raise ValueError(f"{taken[0]!r} is no setting of a template")
    return value


TemplateSettings = Annotated[dict[str, bool | int | float | str], AfterValidator(_settings_alone)]


class StructuredOutputs(WireModel):
    """vLLM takes one of the first five fields; the others refine it."""

    json_: Annotated[str | dict[str, Any] | None, Field(alias="json")] = None
    regex: str | None = None
    choice: ManyOf[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    disable_any_whitespace: bool | None = None
    disable_additional_properties: bool | None = None
    whitespace_pattern: str | None = None


class VllmParameters(WireModel):
    """Parameters of both endpoints beyond OpenAI's. Content is text: no image, sound or video."""

    min_p: float | None = Field(None, ge=0, le=1)
    min_tokens: int | None = Field(None, ge=0)
    ignore_eos: bool | None = None
    stop_token_ids: ManyOf[TokenId] | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None
    spaces_between_special_tokens: bool | None = None
    add_special_tokens: bool | None = None
    bad_words: ManyOf[str] | None = None
    allowed_token_ids: ManyOf[TokenId] | None = None
    logit_bias: dict[str, float] | None = None
    prompt_logprobs: int | None = Field(None, ge=0, le=20)
    truncate_prompt_tokens: int | None = Field(None, ge=-1)
    structured_outputs: StructuredOutputs | None = None


class VllmAssistantMessage(AssistantMessage):
    """An answer of vLLM's as a client sends it back: with the reasoning, under its older and its newer name."""

    reasoning_content: str | None = None
    reasoning: str | None = None
    function_call: None = None


VllmMessage = Annotated[SpokenMessage | VllmAssistantMessage | ToolMessage, Field(discriminator="role")]


class VllmChatRequest(VllmParameters, ChatRequest):
    passed_over = frozenset({"functions", "function_call"})

    messages: Annotated[list[VllmMessage], Field(min_length=1)]  # type: ignore[assignment]
    chat_template_kwargs: TemplateSettings | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None


class VllmCompletionRequest(VllmParameters, CompletionRequest):
    echo: bool | None = None


REQUEST_TYPES: Mapping[str, type[GenerationRequest]] = {
    "/v1/chat/completions": VllmChatRequest,
    "/v1/completions": VllmCompletionRequest,
}
