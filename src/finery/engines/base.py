"""What a program that serves models has to say of itself: its command, its environment, whether it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

MODEL_UNLOADABLE = 3
"""The exit code of our own engines where the model is at fault; any other end before the first answer may be chance."""
Dtype = Literal["auto", "float32", "bfloat16"]
Quantization = Literal["8bit", "4bit"]


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What an engine is asked to serve, and where. None leaves a choice to the engine."""

    model: str
    """A folder or a hub id."""
    port: int
    host: str = "127.0.0.1"
    name: str | None = None
    """Of the model in requests."""
    any_name: bool = False
    """Answer under whatever name a request gives: who asks has checked it."""
    dtype: Dtype = "auto"
    quantization: Quantization | None = None
    max_context: int | None = None
    """Tokens of prompt and answer."""
    kv_blocks: int | None = None
    cache_bytes: int | None = None
    """At most so much memory for the cache of all requests."""
    chat_template: Path | None = None
    """A file of Jinja; replaces the model's own."""
    memory_share: float | None = None
    """Of the GPU's memory, 0 to 1: all that the engine may take."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Name → folder, of what is there from the start."""
    adapter_rank: int | None = None
    """The highest that can be loaded; None: no adapter."""


class Engine(Protocol):
    """One kind of engine. Nothing here starts, waits or remembers."""

    @property
    def shares_bases(self) -> bool:
        """Whether one process serves a base and any number of its adapters."""
        ...

    @property
    def answers_any_name(self) -> bool:
        """Whether the answer's `model` is the request's, given `any_name`."""
        ...

    def command(self, options: EngineOptions) -> list[str]:
        """The argument list, never shell text."""
        ...

    def environment(self, token: str) -> dict[str, str]:
        """With the token, without which the engine is to answer nobody."""
        ...

    def health(self, port: int, token: str, seconds: float) -> str | None:
        """The device that it computes on, empty where it does not tell; None while it does not answer or loads."""
        ...
