"""Requests of the OpenAI dialect as engines read them, and RequestRefused, which names what cannot be honoured."""

import difflib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError

from finery.engines.wire_types import (
    UNION_TAGS,
    FunctionOfTool,
    ManyOf,
    Message,
    NamedChoice,
    NamedFunction,
    ResponseFormat,
    StreamOptions,
    Tool,
    ToolChoice,
    WireModel,
)
from finery.kit.field_errors import sentence_of


class RequestRefused(Exception):
    """A request that is answered with an error; `body` is OpenAI's error body."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        error_type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code
        self.body: dict[str, dict[str, str | None]] = {
            "error": {"message": message, "type": error_type, "param": param, "code": code}
        }


MESSAGE = re.compile(r"messages\[\d+\]")
StopString = Annotated[str, Field(min_length=1)]


class GenerationRequest(WireModel):
    """The fields of both endpoints. Sampling settings left out are the model's own defaults, or else OpenAI's."""

    passed_over: ClassVar[frozenset[str]] = frozenset()
    """Fields that an engine would not read, though others do."""

    model: str | None = None
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    repetition_penalty: float | None = Field(None, ge=0.1, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    # torch.Generator takes no other seeds.
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: StopString | Annotated[list[StopString], Field(max_length=16)] | None = None
    n: int | None = Field(None, ge=1, le=128)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    user: str | None = None

    @property
    def stop_strings(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def wants_usage_chunk(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage


class ChatRequest(GenerationRequest):
    messages: Annotated[ManyOf[Message], Field(min_length=1)]
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[FunctionOfTool], Field(max_length=128)] | None = None
    """The older form of tools, of which an answer calls one at most, in `function_call`."""
    function_call: Literal["none", "auto"] | NamedFunction | None = None
    # Like `user`, these do not change the answer.
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None

    @property
    def offered_tools(self) -> list[Tool]:
        """The tools that the prompt names: none where `tool_choice` forbids calls."""
        if "none" in (self.tool_choice, self.function_call):
            return []
        # Validating a function again would make another object of it, without what it was written as.
        return self.tools or [Tool.model_construct(type="function", function=one) for one in self.functions or []]

    @property
    def has_functions(self) -> bool:
        """Whether the request has the older form of tools."""
        return bool(self.functions)

    @property
    def tools_param(self) -> str:
        return "functions" if self.has_functions else "tools"

    @property
    def choice_param(self) -> str:
        return "tool_choice" if self.function_call is None else "function_call"

    @property
    def makes_one_call(self) -> bool:
        return self.parallel_tool_calls is False or self.has_functions or self.chosen_function is not None

    @property
    def chosen_function(self) -> str | None:
        if isinstance(self.function_call, NamedFunction):
            return self.function_call.name
        return self.tool_choice.function.name if isinstance(self.tool_choice, NamedChoice) else None

    @property
    def must_call(self) -> bool:
        return self.tool_choice == "required" or self.chosen_function is not None


TokenId = Annotated[int, Field(ge=0)]


class CompletionRequest(GenerationRequest):
    prompt: str | ManyOf[str] | ManyOf[TokenId] | ManyOf[ManyOf[TokenId]]
    logprobs: int | None = Field(None, ge=0, le=5)
    max_tokens: int | None = Field(None, ge=0)
    echo: bool | None = None


# OpenAI's parameters that this engine does not honour, each with the values that have no effect.
UNSUPPORTED: dict[str, tuple[object, ...]] = {
    "audio": (),
    "best_of": (1,),
    "echo": (False,),
    "function_call": ("none",),
    "functions": ([],),
    "logit_bias": ({},),
    "metadata": ({},),
    "modalities": (["text"],),
    "moderation": (),
    "parallel_tool_calls": (True, False),
    "prediction": (),
    "prompt_cache_retention": (),
    "reasoning_effort": (),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "suffix": ("",),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "verbosity": (),
    "web_search_options": (),
}


Wire = TypeVar("Wire", bound=GenerationRequest)


def parse_request(kind: type[Wire], body: bytes) -> Wire:
    """Reads a request from JSON. Raises RequestRefused, naming the parameter."""
    return read_fields(kind, parse_object(body))


def read_fields(kind: type[Wire], body: Mapping[str, Any]) -> Wire:
    """Reads a request from a JSON object. Raises RequestRefused, naming the parameter."""
    fields = without_unsupported(kind, body)
    try:
        request = kind.model_validate(fields)
    except ValidationError as error:
        check_parts(body)
        raise refusal(kind, error) from error
    if request.stream_options is not None and not request.stream:
        raise RequestRefused("stream_options is for requests with stream.", param="stream_options")
    if isinstance(request, ChatRequest):
        check_choice(request)
    return request


def check_choice(request: ChatRequest) -> None:
    """Raises RequestRefused where tools and what is chosen of them do not fit together."""
    if request.has_functions and (request.tools or request.tool_choice is not None):
        message = "functions are the older form of tools; send one of the two, with its own choice."
        raise RequestRefused(message, param="functions")
    names = [tool.function.name for tool in request.offered_tools]
    param = request.choice_param
    if request.must_call and not names:
        raise RequestRefused(f"This {param} needs {request.tools_param}.", param=param)
    if request.chosen_function is not None and request.chosen_function not in names:
        raise RequestRefused(f"No tool is called {request.chosen_function!r}.", param=param)


def check_combinations(request: ChatRequest) -> None:
    """Raises RequestRefused for parameters that contradict each other."""
    if request.top_logprobs is not None and not request.logprobs:
        raise RequestRefused("top_logprobs needs logprobs: true.", param="top_logprobs")
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        raise RequestRefused("max_tokens is the old name of max_completion_tokens; send one.", param="max_tokens")


def check_completion(request: CompletionRequest) -> None:
    """Raises RequestRefused where the answer should begin with its prompt, and what follows is not one pass's work."""
    if not request.echo:
        if request.max_tokens == 0:
            raise RequestRefused("max_tokens: 0 is for requests with echo.", param="max_tokens", code="invalid_value")
        return
    if request.max_tokens not in (0, 1):
        raise RequestRefused(
            "With echo, this engine scores the prompt and makes one token at most: max_tokens must be 0 or 1.",
            param="max_tokens",
            code="unsupported_parameter",
        )
    others = {"n": (request.n or 1) > 1, "stop": bool(request.stop), "response_format": request.response_format}
    for name, is_set in others.items():
        if is_set:
            message = f"This engine cannot honour {name!r} beside 'echo'; leave one of them out."
            raise RequestRefused(message, param=name, code="unsupported_parameter")


def parse_object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestRefused(f"The request body is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise RequestRefused("The request body is no JSON object.")
    return fields


def without_unsupported(kind: type[GenerationRequest], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Drops unsupported parameters that have no effect, and refuses the first that would have one."""
    foreign = [
        name for name in fields if name in UNSUPPORTED and (name not in kind.model_fields or name in kind.passed_over)
    ]
    for name in foreign:
        if fields[name] is not None and fields[name] not in UNSUPPORTED[name]:
            raise RequestRefused(
                f"This engine cannot honour {name!r}; leave it out.", param=name, code="unsupported_parameter"
            )
    return {name: value for name, value in fields.items() if name not in foreign}


def check_parts(fields: Mapping[str, Any]) -> None:
    """Raises RequestRefused for the first part of a message's content that is no text."""
    messages = fields.get("messages")
    for at, message in enumerate(messages if isinstance(messages, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        for place, part in enumerate(content if isinstance(content, list) else ()):
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind not in ("text", "refusal"):
                param = f"messages[{at}].content[{place}]"
                message = (
                    f"{param}: this server's models read text only, so that a part of type {kind[:50]!r} is refused."
                )
                raise RequestRefused(message, param=param, code="unsupported_content")


def refusal(kind: type[GenerationRequest], refused: ValidationError) -> RequestRefused:
    """Returns the refusal for the first error. An unknown key goes first: it often explains a missing one."""
    errors = refused.errors()
    error = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    param = parameter_name(error["loc"])
    if error["type"].startswith("union_tag"):
        param += "." + error["ctx"]["discriminator"].strip("'")
    if error["type"] == "extra_forbidden":
        nearest = difflib.get_close_matches(param, list(kind.model_fields), n=1) if param.isidentifier() else []
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        return RequestRefused(f"Unknown parameter {param!r}.{hint}", param=param, code="unknown_parameter")
    return RequestRefused(f"{param}: {sentence_of(error)}.", param=param, code="invalid_value")


def parameter_name(location: tuple[int | str, ...]) -> str:
    """Returns a pydantic location as clients know it: ("messages", 0, "user", "content", "str") is messages[0].content.

    The tags of union members are left out; "function" is one of a message, and elsewhere a key. ("response_format",
    "json_schema", "json_schema", "name") has a tag and a key of the same name, which is written once.
    """
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        elif not name:
            name = part
        elif part == "function" and MESSAGE.fullmatch(name):
            continue
        elif part.isidentifier() and part not in UNION_TAGS and not name.endswith(f".{part}"):
            name += f".{part}"
    return name


def server_failure(message: str, *, status: int = 500, code: str | None = None) -> RequestRefused:
    return RequestRefused(message, status=status, code=code, error_type="server_error")


def event(body: Mapping[str, Any]) -> str:
    """Returns a server-sent event."""
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
