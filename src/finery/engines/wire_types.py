"""The parts of OpenAI's requests that engines take: messages, tools and response formats."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

Item = TypeVar("Item")
ManyOf = Annotated[list[Item], Field(fail_fast=True)]
"""The first bad item refuses the request: collecting the errors of a hundred thousand would take a second."""


class WireModel(BaseModel):
    # Built on first use: a starting server needs no validator of these, and many servers never do.
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


class StreamOptions(WireModel):
    include_usage: bool = False
    include_obfuscation: Literal[False] | None = None
    """OpenAI pads chunks to hide the length of tokens; here that cannot be had."""


class TextPart(WireModel):
    type: Literal["text"]
    text: str


Content = str | ManyOf[TextPart]


class SpokenMessage(WireModel):
    role: Literal["system", "developer", "user"]
    content: Content
    name: str | None = None


class CalledFunction(WireModel):
    name: str
    arguments: str


class CallInMessage(WireModel):
    id: str
    type: Literal["function"]
    function: CalledFunction


class FunctionMessage(WireModel):
    """The answer of a function, as requests had it before there were tools."""

    role: Literal["function"]
    name: str
    content: Content | None = None


class AssistantMessage(WireModel):
    """An answer that the client sends back. The keys that must be null occur in OpenAI's own answers."""

    role: Literal["assistant"]
    content: Content | None = None
    name: str | None = None
    tool_calls: ManyOf[CallInMessage] | None = None
    refusal: None = None
    audio: None = None
    function_call: CalledFunction | None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None


class ToolMessage(WireModel):
    role: Literal["tool"]
    content: Content
    tool_call_id: str


Message = Annotated[SpokenMessage | AssistantMessage | ToolMessage | FunctionMessage, Field(discriminator="role")]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class FunctionOfTool(WireModel):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None

    _raw: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _keep(cls, value: Any, validate: Callable[[Any], "FunctionOfTool"]) -> "FunctionOfTool":
        # The order of the keys becomes part of the prompt, which must be written as it was in training.
        function = validate(value)
        function._raw = value if isinstance(value, dict) else {}
        return function

    @property
    def as_written(self) -> dict[str, Any]:
        return self._raw


class Tool(WireModel):
    type: Literal["function"]
    function: FunctionOfTool


class NamedFunction(WireModel):
    name: Name


class NamedChoice(WireModel):
    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedChoice


class TextFormat(WireModel):
    type: Literal["text"]


class JsonObjectFormat(WireModel):
    type: Literal["json_object"]


class NamedSchema(WireModel):
    """`strict` changes nothing: the answer follows the schema in any case."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class JsonSchemaFormat(WireModel):
    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]

UNION_TAGS = frozenset(
    (
        "str",
        "int",
        "float",
        "system",
        "developer",
        "user",
        "assistant",
        "tool",
        "json_object",
        "NamedChoice",
    )
)
"""The names of union members in the locations of pydantic's errors; "json_schema" is a key as well."""
