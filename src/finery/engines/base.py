"""The protocol that every inference engine implements, and the options and plans that it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from finery.contracts.deployment import EngineOptions
from finery.contracts.machine import Machine

Dtype = Literal["auto", "float32", "bfloat16"]
Quantization = Literal["8bit", "4bit"]


@dataclass(frozen=True, kw_only=True)
class StartOptions:
    """The options that an engine is started with. None leaves a choice to the engine."""

    model: str
    """A folder or a hub id."""
    port: int
    host: str = "127.0.0.1"
    name: str | None = None
    """The model's name in requests."""
    any_name: bool = False
    """The engine answers under whatever name a request gives; the server has checked it."""
    dtype: Dtype = "auto"
    quantization: Quantization | None = None
    max_context: int | None = None
    """Tokens of prompt and answer together."""
    kv_blocks: int | None = None
    cache_bytes: int | None = None
    """The most memory that the cache of all requests may take."""
    chat_template: Path | None = None
    """A file of Jinja that replaces the model's own template."""
    memory_share: float | None = None
    """The share of the GPU's memory, 0 to 1, that the engine may take in all."""
    adapters: Mapping[str, str] = field(default_factory=dict)
    """Name → folder of the adapters that are loaded at the start."""
    adapter_rank: int | None = None
    """The highest rank that can be loaded; None: the engine takes no adapters."""


@dataclass(frozen=True)
class ServableModel:
    """The model that a deployment asks an engine to serve."""

    name: str
    """An absolute folder, a built-in model's name, or a hub id."""
    adapter: Mapping[str, Any] | None = None
    """The adapter's configuration, where `name` is an adapter's folder; None: `name` is a whole model."""


@dataclass(frozen=True, kw_only=True)
class LoadPlan:
    """How an engine would load a model."""

    load: str
    """The model that the engine is started with: the whole model, or an adapter's base."""
    options: EngineOptions
    adapter: str | None = None
    """The folder of the adapter that is loaded beside the base."""
    rank: int | None = None
    """The highest adapter rank that the engine must reserve room for; None: it takes no adapters."""


@dataclass(frozen=True)
class AdapterLoading:
    """The request by which a running engine loads an adapter beside its base."""

    path: str
    """The path that is posted to."""
    body: Callable[[str, str], dict[str, Any]]
    """Returns the request's JSON for an adapter's name and folder."""
    is_loaded_already: Callable[[int, str], bool]
    """Says of a refusal's status and message whether the adapter is loaded already, which counts as success."""


@dataclass(frozen=True)
class Health:
    """What an engine that is ready says of itself."""

    device: str
    """The device that it computes on; empty where unknown."""
    generation: str | None = None
    """How it generates, where it has several ways."""


@runtime_checkable
class Engine(Protocol):
    """One kind of engine, installed or not. The methods start no process and keep no state."""

    @property
    def name(self) -> str:
        """The engine's name in requests, `models.yaml` and stored deployments; at most 32 characters."""
        ...

    @property
    def missing_reason(self) -> str | None:
        """Why it cannot be started here, as the end of a sentence that begins with its name; None where it can."""
        ...

    @property
    def validates_requests(self) -> bool:
        """Whether the running engine itself refuses whatever `check_request` refuses, so that the server need not."""
        ...

    @property
    def adapter_loading(self) -> AdapterLoading | None:
        """How adapters are loaded at run time; None where no plan of the engine has an adapter beside its base."""
        ...

    @property
    def model_fault_codes(self) -> frozenset[int]:
        """The exit codes that say that the model is at fault. After any other end the start may be tried again."""
        ...

    @property
    def unservable_codes(self) -> frozenset[int]:
        """Those of them that say that it would answer wrongly for any model of this architecture."""
        ...

    def preference(self, machine: Machine) -> int:
        """Returns its rank in the choice of `auto` among the engines that can serve a model; 0: it is never chosen."""
        ...

    def issue(self, model: ServableModel, options: EngineOptions) -> str | None:
        """Returns why it cannot serve the model with these options; None where it can."""
        ...

    def plan(self, model: ServableModel, options: EngineOptions) -> LoadPlan:
        """Returns how it loads a model in which it finds no issue."""
        ...

    def served_name(self, plan: LoadPlan, stamp: str) -> str | None:
        """Returns the name under which the engine itself knows the model; None where it answers to any name.

        `stamp` changes as soon as the adapter's folder holds another adapter.
        """
        ...

    def command(self, options: StartOptions) -> list[str]:
        """Returns the argument list that starts it, never shell text."""
        ...

    def environment(self, token: str) -> dict[str, str]:
        """Returns variables for its process, among them the token that every request must bear."""
        ...

    def health(self, port: int, token: str, seconds: float) -> Health | None:
        """Returns what it says of itself; None while it is loading or does not answer."""
        ...

    def check_request(self, path: str, body: Mapping[str, Any]) -> None:
        """Raises RequestRefused for a parameter that the engine would refuse or ignore, or must not be given.

        `path` is `/v1/chat/completions` or `/v1/completions`.
        """
        ...
