"""What the API's document says of answers that are not JSON: for a route's `responses`."""

from typing import Any

from pydantic import BaseModel

Described = dict[int | str, dict[str, Any]]


def in_type(*media_types: str) -> Described:
    return {200: {"content": {media_type: {} for media_type in media_types}}}


def in_ranges(*media_types: str, error: type[BaseModel]) -> Described:
    """What `files.file_range` answers."""
    whole = in_type(*media_types)
    part = {"description": "The range of bytes that was asked for", "content": {media_types[0]: {}}}
    return {**whole, 206: part, 416: {"model": error, "description": "The file is shorter"}}
