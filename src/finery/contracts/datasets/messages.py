"""Lists of messages in OpenAI's words ({role, content}) and in ShareGPT's ({from, value})."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from finery.contracts.datasets.rows import JsonObject, Message, Role, RowRefused, ToolCall

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
KNOWN_ROLES = "system, user, assistant, tool; or human, gpt, function_call, observation"


def read_messages(value: object, field: str) -> tuple[list[Message], list[bool]]:
    """The messages, and for each whether its tokens are learned. Raises RowRefused."""
    items = read_list(value, field)
    if not items:
        raise RowRefused(field, "is empty")
    messages: list[Message] = []
    trains: list[bool] = []
    for index, item in enumerate(items):
        message, weighs = read_message(item, f"{field}[{index}]")
        messages.append(message)
        trains.append(weighs and (message["content"].strip() != "" or "tool_calls" in message))
    check_order(messages, field)
    check_calls(messages, field)
    return messages, trains


def read_message(item: object, field: str) -> tuple[Message, bool]:
    """One message, and whether its tokens are learned unless it is empty. Raises RowRefused."""
    if not isinstance(item, dict):
        raise RowRefused(field, f"must be an object, not {kind_of(item)}")
    role_key, content_key = _keys(item, field)
    word = read_text(item.get(role_key), f"{field}.{role_key}")
    role = ROLES.get(word)
    if role is None:
        raise RowRefused(f"{field}.{role_key}", f"unknown role; known are {KNOWN_ROLES}")
    if word == "function_call":
        return _call_message(item.get(content_key), f"{field}.{content_key}"), _weight(item, role, field)
    message: Message = {"role": role, "content": ""}
    _add_optional(message, item, field)
    message["content"] = _read_content(item.get(content_key), f"{field}.{content_key}", "tool_calls" in message)
    return message, _weight(item, role, field)


def read_list(value: object, field: str) -> list[Any]:
    """A list, or its JSON text (as CSV cells and some Parquet files have it)."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = _parsed(value, field)
    if not isinstance(value, list):
        raise RowRefused(field, f"must be a list, not {kind_of(value)}")
    return value


def read_tools(row: JsonObject, field: str = "tools") -> list[JsonObject] | None:
    """The tools that a conversation may call, each as {type: function, function: {name, …}}."""
    value = row.get("tools")
    if value is None or value == "" or value == []:
        return None
    return [_read_tool(tool, f"{field}[{index}]") for index, tool in enumerate(read_list(value, field))] or None


def read_text(value: object, field: str) -> str:
    if isinstance(value, str):
        return value
    raise RowRefused(field, "missing" if value is None else f"must be text, not {kind_of(value)}")


def kind_of(value: object) -> str:
    """How JSON calls it."""
    return _KINDS.get(type(value), type(value).__name__)


def check_order(messages: list[Message], field: str) -> None:
    """System messages come first, and a tool answers an assistant. Raises RowRefused."""
    previous: Role = "system"
    for index, message in enumerate(messages):
        role = message["role"]
        if role == "system" and previous != "system":
            raise RowRefused(_role_field(field, index), "a system message must come before all others")
        if role == "tool" and previous not in ("assistant", "tool"):
            raise RowRefused(_role_field(field, index), "a tool's answer must follow an assistant's message")
        previous = role


Step = tuple[Role, Sequence[str | None]]
"""A message: an assistant's with the ids of its calls, a tool's with the one of the call that it answers."""


def check_calls(messages: list[Message], field: str) -> None:
    """Raises RowRefused for a tool's answer that names no call of the assistant's message before it."""
    stray, _ = follow_calls(map(step_of, messages))
    if stray is not None:
        raise RowRefused(f"{field}[{stray}].tool_call_id", "names no tool call of the assistant's message before it")


def follow_calls(steps: Iterable[Step]) -> tuple[int | None, bool]:
    """Where a tool answers a call that nobody made, and whether the conversation goes on after an unanswered call.

    Calls and answers without ids belong together by their order. Calls that end the conversation need no answer: they
    are what is taught.
    """
    asked: Sequence[str | None] = ()
    waiting: set[str | None] = set()
    is_unanswered = False
    for index, (role, ids) in enumerate(steps):
        if role == "tool":
            answered = ids[0]
            if answered is not None and asked and None not in asked and answered not in asked:
                return index, is_unanswered
            waiting = set() if answered is None or None in waiting else waiting - {answered}
            continue
        is_unanswered = is_unanswered or bool(waiting)
        asked, waiting = ids, set(ids)
    return None, is_unanswered


def step_of(message: Message) -> Step:
    if message["role"] == "tool":
        return "tool", (message.get("tool_call_id"),)
    return message["role"], [call.get("id") for call in message.get("tool_calls", ())]


def _role_field(field: str, index: int) -> str:
    return f"{field}[{index}].{'from' if field == 'conversations' else 'role'}"


def _keys(item: JsonObject, field: str) -> tuple[str, str]:
    if item.get("from") is not None and item.get("role") is None:
        return "from", "value"
    if item.get("role") is None and field.startswith("conversations"):
        raise RowRefused(f"{field}.from", "missing")
    return "role", "content"


def _read_content(value: object, field: str, may_be_absent: bool) -> str:
    if isinstance(value, str):
        return value
    if value is None and may_be_absent:
        return ""
    if not isinstance(value, list):
        raise RowRefused(field, "missing" if value is None else f"must be text, not {kind_of(value)}")
    return "".join(_read_part(part, f"{field}[{index}]") for index, part in enumerate(value))


def _read_part(part: object, field: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        raise RowRefused(field, f"must be a text part, not {kind_of(part)}")
    if part.get("type", "text") not in ("text", "input_text", "output_text"):
        raise RowRefused(f"{field}.type", "only text parts can be learned")
    return read_text(part.get("text"), f"{field}.text")


def _weight(item: JsonObject, role: Role, field: str) -> bool:
    weight = item.get("weight")
    if weight is None:
        return role == "assistant"
    if role != "assistant":
        raise RowRefused(f"{field}.weight", "only an assistant's message has a weight")
    if weight not in (0, 1) or isinstance(weight, bool):
        raise RowRefused(f"{field}.weight", "must be 0 or 1")
    return bool(weight)


def _add_optional(message: Message, item: JsonObject, field: str) -> None:
    if (reasoning := item.get("reasoning_content") or item.get("thinking")) is not None:
        message["reasoning_content"] = read_text(reasoning, f"{field}.reasoning_content")
    if (name := item.get("name")) is not None:
        message["name"] = read_text(name, f"{field}.name")
    if (call_id := item.get("tool_call_id")) is not None:
        message["tool_call_id"] = read_text(call_id, f"{field}.tool_call_id")
    if calls := _read_calls(item, field):
        if message["role"] != "assistant":
            key = "tool_calls" if item.get("function_call") is None else "function_call"
            raise RowRefused(f"{field}.{key}", "only an assistant's message calls tools")
        message["tool_calls"] = calls


def _read_calls(item: JsonObject, field: str) -> list[ToolCall]:
    if (old := item.get("function_call")) is not None:
        return [_read_call(old, f"{field}.function_call")]
    calls = item.get("tool_calls")
    if calls is None:
        return []
    return _read_each_call(read_list(calls, f"{field}.tool_calls"), f"{field}.tool_calls")


def _read_each_call(calls: list[Any], field: str) -> list[ToolCall]:
    read = [_read_call(call, f"{field}[{index}]") for index, call in enumerate(calls)]
    ids: set[str] = set()
    for index, call in enumerate(read):
        if (call_id := call.get("id")) in ids:
            raise RowRefused(f"{field}[{index}].id", "is the id of another call in this message")
        if call_id is not None:
            ids.add(call_id)
    return read


def _read_call(call: object, field: str) -> ToolCall:
    if not isinstance(call, dict):
        raise RowRefused(field, f"must be an object, not {kind_of(call)}")
    function, place = _function_of(call, field)
    name = read_text(function.get("name"), f"{place}.name")
    arguments = _read_arguments(function.get("arguments"), f"{place}.arguments")
    read: ToolCall = {"type": "function", "function": {"name": name, "arguments": arguments}}
    if isinstance(call.get("id"), str):
        read["id"] = call["id"]
    return read


def _read_arguments(value: object, field: str) -> JsonObject:
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        value = _parsed(value, field)
    if not isinstance(value, dict):
        raise RowRefused(field, f"must be an object or its JSON text, not {kind_of(value)}")
    return value


def _call_message(value: object, field: str) -> Message:
    """ShareGPT's function_call: JSON text of one call or of a list of them."""
    parsed = _parsed(value, field) if isinstance(value, str) else value
    calls = _read_each_call(parsed, field) if isinstance(parsed, list) else [_read_call(parsed, field)]
    if not calls:
        raise RowRefused(field, "names no call")
    return {"role": "assistant", "content": "", "tool_calls": calls}


def _read_tool(tool: object, field: str) -> JsonObject:
    if not isinstance(tool, dict):
        raise RowRefused(field, f"must be an object, not {kind_of(tool)}")
    function, place = _function_of(tool, field)
    read_text(function.get("name"), f"{place}.name")
    return {"type": "function", "function": function}


def _function_of(holder: JsonObject, field: str) -> tuple[JsonObject, str]:
    """What a tool or a call says of its function, and where that stands: under `function`, or beside its name."""
    function = holder.get("function")
    if holder.get("type") not in (None, "function"):
        raise RowRefused(f"{field}.type", "must be function: no other kind of tool is known")
    if function is None:
        if "name" not in holder:
            raise RowRefused(f"{field}.function", "missing")
        return holder, field
    if not isinstance(function, dict):
        raise RowRefused(f"{field}.function", f"must be an object, not {kind_of(function)}")
    return function, f"{field}.function"


def _parsed(text: str, field: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RowRefused(field, "must be JSON text") from error


_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}
