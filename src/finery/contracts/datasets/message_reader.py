"""Reads messages and tools in every spelling: OpenAI's ({role, content}), ShareGPT's ({from, value}), and mixtures."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

import msgspec
from msgspec import Raw, Struct
from msgspec import field as named

from finery.contracts.datasets.messages import (
    MESSAGES,
    AnyMessage,
    Assistant,
    Function,
    FunctionWrittenTwice,
    JsonObject,
    Message,
    Role,
    ToolCall,
)
from finery.kit.tables import UNREADABLE, reason_of
from finery.kit.translatable import Translatable

ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
}
MASK_KEYS = ("loss", "train", "trainable", "training")
"""Names that other trainers use for the weight: whether an answer is learned."""
SPEAKERS = frozenset({"role", "from"})
READ_KEYS = ("role", "content", "from", "value", "name", "weight", "tool_calls", "tool_call_id", "function_call")
KNOWN_KEYS = frozenset(
    {*READ_KEYS, "reasoning_content", "thinking", *MASK_KEYS, "id", "refusal", "annotations", "audio"}
)
"""The last four are in answers of OpenAI's API, and are ignored."""
KNOWN_ROLES = "system, user, assistant, tool; or human, gpt, function_call, observation"


class Turn(Struct, gc=False, forbid_unknown_fields=True):
    """A message in ShareGPT's usual spelling, for decoding JSON straight into it. Others are read from an object."""

    speaker: Literal["system", "human", "gpt", "user", "assistant", "observation"] = named(name="from")
    text: str = named(name="value")


class RowRefused(ValueError):
    """The row fits no format, or not the one that it resembles. Neither field nor reason holds its content."""

    def __init__(self, field: str, reason: str, *, line: int | None = None) -> None:
        super().__init__(": ".join(part for part in (f"line {line}" if line else "", field, reason) if part))
        self.field = field
        """A path with indexes from 0: `messages[2].role`; empty for the whole row."""
        self.reason = reason
        self.line = line


DECODED = frozenset(get_args(AnyMessage))


def read_messages(value: object, field: str) -> list[Message]:
    """Reads a list of messages. `value`: decoded messages or turns, or any value of the file. Raises RowRefused.

    Conversation.of checks their order.
    """
    items = value if type(value) is list else read_list(value, field)
    if not items:
        raise RowRefused(field, Translatable("is empty"))
    kind = type(items[0])
    if kind in DECODED:
        return items
    if kind is Turn:
        return [MESSAGES[ROLES[turn.speaker]](turn.text) for turn in items]
    return [read_message(item, f"{field}[{index}]") for index, item in enumerate(items)]


def read_message(item: object, field: str) -> Message:
    """Reads one message in any spelling. Raises RowRefused."""
    if not isinstance(item, dict):
        raise RowRefused(field, Translatable("must be an object, not {value}", value=json_type_of(item)))
    role_key, content_key = _keys(item, field)
    word = read_text(item.get(role_key), f"{field}.{role_key}")
    role = ROLES.get(word)
    if role is None:
        raise RowRefused(
            f"{field}.{role_key}", Translatable("unknown role; known are {known_roles}", known_roles=KNOWN_ROLES)
        )
    content = f"{field}.{content_key}"
    if word == "function_call":
        calls = _read_written_calls(item.get(content_key), content)
        return Assistant("", weight=_read_weight(item, role, field), tool_calls=calls)
    reasoning = _read_optional(item.get("reasoning_content") or item.get("thinking"), f"{field}.reasoning_content")
    name = _read_optional(item.get("name"), f"{field}.name")
    call_id = _read_optional(item.get("tool_call_id"), f"{field}.tool_call_id")
    calls = _read_calls(item, role, field)
    text = _read_content(item.get(content_key), content, may_be_absent=bool(calls))
    weight = _read_weight(item, role, field)
    message = MESSAGES[role](text, name=name, tool_call_id=call_id, reasoning_content=reasoning)
    message.weight, message.tool_calls = weight, calls or None
    return message


def read_list(value: object, field: str) -> list[Any]:
    """Reads a list, or its JSON text (as in CSV cells and some Parquet files). Raises RowRefused."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _parsed(value, field)
    if not isinstance(value, list):
        raise RowRefused(field, Translatable("must be a list, not {value}", value=json_type_of(value)))
    return value


def read_tools(value: object, field: str = "tools") -> list[JsonObject] | None:
    """Reads the tools that a conversation may call. Returns each as {type: function, function: {name, …}}."""
    if type(value) is Raw:
        data = bytes(value)
        return _read_raw_tools(data) if len(data) <= LONGEST_TOOLS else _read_raw_tools.__wrapped__(data)
    if value is None or value == "" or value == []:
        return None
    return [_read_tool(tool, f"{field}[{index}]") for index, tool in enumerate(read_list(value, field))] or None


LONGEST_TOOLS = 1 << 13


@lru_cache(maxsize=128)
def _read_raw_tools(data: bytes) -> list[JsonObject] | None:
    """Reads the column `tools` from JSON. It is cached, since most rows of a file repeat a few lists."""
    try:
        value = _DECODER.decode(data)
    except UNREADABLE as error:
        raise RowRefused("", reason_of(error)) from error
    return read_tools(value)


def read_text(value: object, field: str) -> str:
    """Returns the text. Raises RowRefused for any other value."""
    if isinstance(value, str):
        return value
    raise RowRefused(
        field,
        Translatable("missing")
        if value is None
        else Translatable("must be text, not {value}", value=json_type_of(value)),
    )


def _read_optional(value: object, field: str) -> str | None:
    return None if value is None else read_text(value, field)


def json_type_of(value: object) -> str:
    """Returns the name of the value's JSON type, with an article."""
    return _KINDS.get(type(value), type(value).__name__)


def normalise_answer(message: Assistant, field: str, at: int) -> None:
    """Turns a decoded answer's null content into text, and its calls' arguments into objects. Raises RowRefused.

    The message is at index `at` of `field`.
    """
    calls = message.tool_calls or []
    for index, call in enumerate(calls):
        text = call.function.arguments
        if isinstance(text, str):
            try:
                call.function.arguments = _OBJECT.decode(text)
            except UNREADABLE:
                # The tolerant way reads it once more, or names its place in the error.
                place = f"{field}[{at}].tool_calls[{index}].function.arguments"
                call.function = _read_called(call.function.name, text, place)
    if len(calls) > 1:
        _check_ids(calls, f"{field}[{at}].tool_calls")
    message.tool_calls = calls or None
    if message.content is None:
        if not calls:
            raise RowRefused(f"{field}[{at}].content", Translatable("missing"))
        message.content = ""


def _keys(item: JsonObject, field: str) -> tuple[str, str]:
    if item.get("from") is not None and item.get("role") is None:
        return "from", "value"
    if item.get("role") is None and field.startswith("conversations"):
        raise RowRefused(f"{field}.from", Translatable("missing"))
    return "role", "content"


def _read_content(value: object, field: str, *, may_be_absent: bool) -> str:
    if isinstance(value, str):
        return value
    if value is None and may_be_absent:
        return ""
    if not isinstance(value, list):
        raise RowRefused(
            field,
            Translatable("missing")
            if value is None
            else Translatable("must be text, not {value}", value=json_type_of(value)),
        )
    return "".join(_read_part(part, f"{field}[{index}]") for index, part in enumerate(value))


def _read_part(part: object, field: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise RowRefused(field, Translatable("must be a text part, not {value}", value=json_type_of(part)))
    if part.get("type", "text") not in ("text", "input_text", "output_text"):
        raise RowRefused(f"{field}.type", Translatable("only text parts can be learned"))
    return read_text(part.get("text"), f"{field}.text")


def _read_weight(item: JsonObject, role: Role, field: str) -> Literal[0, 1] | None:
    weight = item.get("weight")
    if weight is None:
        return _read_mask(item, role, field)
    if role != "assistant":
        raise RowRefused(f"{field}.weight", Translatable("only an assistant's message has a weight"))
    if isinstance(weight, bool) or weight not in (0, 1):
        raise RowRefused(f"{field}.weight", Translatable("must be 0 or 1"))
    return 1 if weight else 0


def _read_mask(item: JsonObject, role: Role, field: str) -> Literal[0, 1] | None:
    """Reads the weight under other trainers' names. They may also mark a question as not learned."""
    masks = {key: item[key] for key in MASK_KEYS if item.get(key) is not None}
    for key, value in masks.items():
        if not isinstance(value, bool | int) or value not in (0, 1):
            raise RowRefused(f"{field}.{key}", Translatable("must be true or false"))
        if value and role != "assistant":
            raise RowRefused(f"{field}.{key}", Translatable("only an assistant's message is learned"))
        if value != next(iter(masks.values())):
            raise RowRefused(f"{field}.{key}", Translatable("contradicts another key of the same meaning"))
    if not masks or role != "assistant":
        return None
    return 1 if next(iter(masks.values())) else 0


def unknown_keys(row: JsonObject) -> list[str]:
    """Returns the keys in a row's messages that nothing reads."""
    lists = [value for value in row.values() if isinstance(value, list)]
    messages = [item for value in lists for item in value if isinstance(item, dict) and not SPEAKERS.isdisjoint(item)]
    return [key for item in messages for key in item if key not in KNOWN_KEYS and item[key] is not None]


def _read_calls(item: JsonObject, role: Role, field: str) -> list[ToolCall]:
    if (old := item.get("function_call")) is not None:
        place = f"{field}.function_call"
        calls = [_read_call(old, place)]
    elif (new := item.get("tool_calls")) is not None:
        place = f"{field}.tool_calls"
        calls = _read_each_call(read_list(new, place), place)
    else:
        return []
    if calls and role != "assistant":
        raise RowRefused(place, Translatable("only an assistant's message calls tools"))
    return calls


def _read_each_call(calls: list[Any], field: str) -> list[ToolCall]:
    read = [_read_call(call, f"{field}[{index}]") for index, call in enumerate(calls)]
    _check_ids(read, field)
    return read


def _check_ids(calls: Sequence[ToolCall], field: str) -> None:
    ids: set[str] = set()
    for index, call in enumerate(calls):
        if call.id in ids:
            raise RowRefused(f"{field}[{index}].id", Translatable("is the id of another call in this message"))
        if call.id is not None:
            ids.add(call.id)


def _read_call(call: object, field: str) -> ToolCall:
    if not isinstance(call, dict):
        raise RowRefused(field, Translatable("must be an object, not {value}", value=json_type_of(call)))
    function, place = _function_of(call, field)
    name = read_text(function.get("name"), f"{place}.name")
    called = _read_called(name, function.get("arguments"), f"{place}.arguments")
    call_id = call.get("id")
    return ToolCall(called, call_id if isinstance(call_id, str) else None)


def _read_called(name: str, arguments: object, field: str) -> Function:
    """Returns a call's function with its arguments as an object: `arguments` is that, or JSON text, once or twice."""
    if arguments is None or arguments == "":
        return Function(name, {})
    value = _parsed(arguments, field) if isinstance(arguments, str) else arguments
    if is_text := isinstance(value, str) and value.lstrip().startswith("{"):
        value = _parsed(str(value), field)
    if not isinstance(value, dict):
        raise RowRefused(
            field, Translatable("must be an object or its JSON text, not {value}", value=json_type_of(value))
        )
    is_twice = is_text and isinstance(arguments, str)
    return FunctionWrittenTwice(name, value) if is_twice else Function(name, value)


def _read_written_calls(value: object, field: str) -> list[ToolCall]:
    """Reads ShareGPT's function_call: JSON text of one call or of a list of them."""
    parsed = _parsed(value, field) if isinstance(value, str) else value
    calls = _read_each_call(parsed, field) if isinstance(parsed, list) else [_read_call(parsed, field)]
    if not calls:
        raise RowRefused(field, Translatable("names no call"))
    return calls


def _read_tool(tool: object, field: str) -> JsonObject:
    if not isinstance(tool, dict):
        raise RowRefused(field, Translatable("must be an object, not {value}", value=json_type_of(tool)))
    function, place = _function_of(tool, field)
    read_text(function.get("name"), f"{place}.name")
    return {"type": "function", "function": function}


def _function_of(holder: JsonObject, field: str) -> tuple[JsonObject, str]:
    """Returns the function of a tool or a call, and its field: under `function`, or the holder itself."""
    function = holder.get("function")
    if holder.get("type") not in (None, "function"):
        raise RowRefused(f"{field}.type", Translatable("must be function: no other kind of tool is known"))
    if function is None:
        if "name" not in holder:
            raise RowRefused(f"{field}.function", Translatable("missing"))
        return holder, field
    if not isinstance(function, dict):
        raise RowRefused(
            f"{field}.function", Translatable("must be an object, not {value}", value=json_type_of(function))
        )
    return function, f"{field}.function"


def _parsed(text: str, field: str) -> object:
    try:
        return _DECODER.decode(text)
    except (*UNREADABLE, UnicodeEncodeError):
        # json accepts a little more than msgspec: numbers of any size, NaN and Infinity.
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RowRefused(field, Translatable("must be JSON text")) from error


_DECODER = msgspec.json.Decoder(Any)
_OBJECT = msgspec.json.Decoder(JsonObject)
_KINDS: dict[type, str] = {
    dict: Translatable("an object"),
    list: Translatable("a list"),
    str: Translatable("text"),
    bool: Translatable("true or false"),
    int: Translatable("a number"),
    float: Translatable("a number"),
    type(None): "null",
}
