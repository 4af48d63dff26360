"""A request's messages and tools as chat templates take them: read as the rows of a training are."""

from typing import Any

from finery.contracts.datasets.messages import check_calls, read_message, read_tools
from finery.contracts.datasets.rows import JsonObject, Message, RowRefused
from finery.engines.wire import ChatRequest, RequestRefused


def messages_of(request: ChatRequest) -> list[Message]:
    """Raises RequestRefused."""
    sent = [message.model_dump(exclude_none=True) for message in request.messages]
    try:
        messages = [read_message(_without_empty(message), f"messages[{at}]")[0] for at, message in enumerate(sent)]
        check_calls(messages, "messages")
    except RowRefused as error:
        raise RequestRefused(f"{error.field}: {error.reason}.", param=error.field) from error
    return messages


def tools_of(request: ChatRequest) -> list[JsonObject] | None:
    """None where the model is offered none."""
    return read_tools({"tools": [{"function": tool.function.as_written} for tool in request.offered_tools]})


def _without_empty(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != "tool_calls" or value}
