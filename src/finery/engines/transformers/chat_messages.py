"""A request's messages and tools as chat templates take them: read as the rows of a training are."""

from typing import Any

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.message_reader import RowRefused, read_message, read_tools
from finery.contracts.datasets.messages import JsonObject
from finery.engines.wire import ChatRequest, RequestRefused


def messages_of(request: ChatRequest) -> list[JsonObject]:
    """Raises RequestRefused."""
    sent = [message.model_dump(exclude_none=True) for message in request.messages]
    try:
        messages = [read_message(_without_empty(message), f"messages[{at}]") for at, message in enumerate(sent)]
        Conversation.of(messages, in_any_order=True)
    except RowRefused as error:
        raise RequestRefused(f"{error.field}: {error.reason}.", param=error.field) from error
    return [message.as_dict() for message in messages]


def tools_of(request: ChatRequest) -> list[JsonObject] | None:
    """None where the model is offered none."""
    return read_tools([{"function": tool.function.as_written} for tool in request.offered_tools])


def _without_empty(message: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in message.items() if key != "tool_calls" or value}
