"""What a request to the transformers engine may hold, as far as no model is needed to say so. Loads no framework."""

from collections.abc import Mapping
from typing import Any

from finery.engines.wire import (
    ChatRequest,
    CompletionRequest,
    GenerationRequest,
    check_combinations,
    read_fields,
)

KINDS: Mapping[str, type[GenerationRequest]] = {
    "/v1/chat/completions": ChatRequest,
    "/v1/completions": CompletionRequest,
}


def check_for_transformers(path: str, body: Mapping[str, Any]) -> None:
    """Raises RequestRefused, naming the parameter."""
    request = read_fields(KINDS[path], body)
    if isinstance(request, ChatRequest):
        check_combinations(request)
