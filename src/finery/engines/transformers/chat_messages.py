"""Converts a request's messages and tools for chat templates, by the reader that reads training rows too."""

from finery.contracts.datasets.conversation import Conversation
from finery.contracts.datasets.message_reader import RowRefused, read_message, read_tools
from finery.contracts.datasets.messages import JsonObject
from finery.engines.wire import ChatRequest, RequestRefused


def messages_of(request: ChatRequest) -> list[JsonObject]:
    """Returns the messages as a template takes them. Raises RequestRefused."""
    sent = [message.model_dump(exclude_none=True) for message in request.messages]
    for message in sent:
        # Clients send `tool_calls: []` with plain answers; training rows may not hold an empty list.
        if not message.get("tool_calls"):
            message.pop("tool_calls", None)
    try:
        messages = [read_message(message, f"messages[{at}]") for at, message in enumerate(sent)]
        Conversation.of(messages, in_any_order=True)
    except RowRefused as error:
        raise RequestRefused(f"{error.field}: {error.reason}.", param=error.field) from error
    return [message.as_dict() for message in messages]


def tools_of(request: ChatRequest) -> list[JsonObject] | None:
    """Returns the tools as a template takes them; None where the model is offered none."""
    return read_tools([{"function": tool.function.as_written} for tool in request.offered_tools])
