"""What a program that serves models has to say of itself: what it can serve, its command, its requests, its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from finery.contracts.deployment import EngineOptions
from finery.contracts.machine import Machine

Dtype = Literal["auto", "float32", "bfloat16"]
Quantization = Literal["8bit", "4bit"]


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """What an engine is started with. None leaves a choice to the engine."""

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


@dataclass(frozen=True)
class ServableModel:
    """A model that an engine is asked whether and how it would serve it."""

    name: str
    """An absolute folder, a built-in model's name, or a hub id."""
    adapter: Mapping[str, Any] | None = None
    """The configuration of an adapter, whose folder `name` is; None: a whole model."""


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """How an engine would load a model."""

    load: str
    """What the engine is started with: the model, or an adapter's base."""
    options: EngineOptions
    adapter: str | None = None
    """The folder of what is loaded beside the base."""
    rank: int | None = None
    """Of adapters, up to which the engine has to have room; None: it takes none."""


@dataclass(frozen=True)
class AdapterLoading:
    """How an engine that runs is made to load an adapter beside its base."""

    path: str
    """Of the request, a POST."""
    body: Callable[[str, str], dict[str, Any]]
    """Of the request, for a name and a folder."""
    is_loaded_already: Callable[[int, str], bool]
    """Whether a refusal's status and message say that the adapter is there, which is as good as loading it."""


class Engine(Protocol):
    """One kind of engine, whether it is installed or not. Nothing here starts, waits or remembers."""

    @property
    def name(self) -> str:
        """In requests, `models.yaml` and stored deployments; at most 32 characters."""
        ...

    @property
    def absence(self) -> str | None:
        """What to say of the engine where it is not installed, after its name; None where it can be started."""
        ...

    @property
    def refuses_itself(self) -> bool:
        """Whether it refuses, when it runs, whatever `check_request` refuses: a request need not be read twice then."""
        ...

    @property
    def adapter_loading(self) -> AdapterLoading | None:
        """None where no plan of the engine has an adapter beside its base."""
        ...

    @property
    def model_faults(self) -> frozenset[int]:
        """The exit codes by which it says that its model is at fault; any other end before the first answer may be
        chance."""
        ...

    def preference(self, machine: Machine) -> int:
        """The higher, the sooner `auto` chooses it, among those that are installed and can serve a model; 0: never."""
        ...

    def issue(self, model: ServableModel, options: EngineOptions) -> str | None:
        """Why it cannot serve the model so; None where it can."""
        ...

    def plan(self, model: ServableModel, options: EngineOptions) -> LoadPlan:
        """How it loads a model in which it finds no issue."""
        ...

    def served_name(self, plan: LoadPlan, stamp: str) -> str | None:
        """What the engine itself calls the model; None where it answers to any name.

        `stamp`: of the adapter's folder; another one as soon as the folder holds another adapter.
        """
        ...

    def command(self, options: StartOptions) -> list[str]:
        """The argument list, never shell text."""
        ...

    def environment(self, token: str) -> dict[str, str]:
        """With the token, without which the engine is to answer nobody."""
        ...

    def health(self, port: int, token: str, seconds: float) -> str | None:
        """The device that it computes on, empty where it does not tell; None while it does not answer or loads."""
        ...

    def check_request(self, path: str, body: Mapping[str, Any]) -> None:
        """Raises RequestRefused, naming the parameter that it would refuse, pass over or must not be given.

        `path`: `/v1/chat/completions` or `/v1/completions`.
        """
        ...
