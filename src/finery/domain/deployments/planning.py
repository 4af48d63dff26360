"""Which engine serves a model, and what it has to be started with."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finery.contracts.deployment import EngineChoice, EngineOptions
from finery.contracts.model_folder import ADAPTER_CONFIG, adapter_config, base_of, chat_template, is_adapter
from finery.domain.catalog import ResolvedModel
from finery.domain.deployments.errors import EngineUnavailable
from finery.domain.ground import Ground
from finery.engines.registry import TRANSFORMERS, VLLM
from finery.engines.vllm.adapters import COMMON_RANK, adapter_flaw, room_for

IDENTIFYING = ("*.safetensors", "*.json", "*.jinja")
"""Files by whose change a folder holds another model."""


@dataclass(frozen=True)
class EnginePlan:
    engine: str
    model: str
    """As it was resolved."""
    load: str
    """What the engine is started with: the model, or an adapter's base."""
    options: EngineOptions
    adapter: str | None = None
    """The folder of what is loaded beside the base."""
    rank: int | None = None
    """Of adapters, up to which the engine has to have room; None: it takes none."""
    stamps: dict[str, str] = field(default_factory=dict)
    """Of the folders that are loaded; none for what lies in no folder."""

    @property
    def served_name(self) -> str | None:
        """What the engine itself calls the model; None where it answers to any name."""
        if self.engine != VLLM:
            return None
        return self.load if self.adapter is None else f"{self.adapter}@{self.stamps[self.adapter]}"

    @property
    def key(self) -> str:
        """The same for all that one engine can serve."""
        parts = [self.engine, self.load, self.stamps.get(self.load, ""), self.options.model_dump(), self.rank]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def plan_engine(resolved: ResolvedModel, wanted: EngineChoice, options: EngineOptions, ground: Ground) -> EnginePlan:
    """Raises EngineUnavailable."""
    options = _with_entry(options, resolved)
    adapter = _adapter_config(resolved)
    flaw = _flaw_for_vllm(resolved, adapter, options)
    if wanted == VLLM and VLLM not in ground.engines:
        raise EngineUnavailable(VLLM, "is not installed here; FINERY_VLLM_PYTHON says where it is")
    if wanted == VLLM and flaw is not None:
        raise EngineUnavailable(VLLM, f"cannot serve this: {flaw}; choose {TRANSFORMERS!r}")
    if wanted == VLLM or (wanted == "auto" and VLLM in ground.engines and ground.machine().gpus and flaw is None):
        return _on_vllm(resolved, adapter, options)
    return EnginePlan(TRANSFORMERS, resolved.model, resolved.model, options, stamps=stamps_of(resolved.model))


def _on_vllm(resolved: ResolvedModel, adapter: dict[str, Any] | None, options: EngineOptions) -> EnginePlan:
    model = resolved.model
    if adapter is None:
        return EnginePlan(VLLM, model, model, options, rank=COMMON_RANK, stamps=stamps_of(model))
    base = str(base_of(Path(model)))
    template = chat_template(Path(model))
    if options.chat_template is None and template is not None and template != _template_of(base):
        # The engine writes prompts with its base's template, the adapter has learned those of its own.
        options = options.model_copy(update={"chat_template": template})
    return EnginePlan(
        VLLM,
        model,
        base,
        options,
        adapter=model,
        rank=room_for(int(adapter.get("r", COMMON_RANK))),
        stamps=stamps_of(base, model),
    )


def _with_entry(options: EngineOptions, resolved: ResolvedModel) -> EngineOptions:
    """What the administrator says of a name holds where the request says nothing."""
    if resolved.entry is None:
        return options
    known = {"max_context": resolved.entry.max_context, "chat_template": resolved.entry.chat_template}
    return options.model_copy(
        update={name: value for name, value in known.items() if options.model_dump()[name] is None}
    )


def _adapter_config(resolved: ResolvedModel) -> dict[str, Any] | None:
    """None: a whole model."""
    if resolved.folder is None or not is_adapter(resolved.folder):
        return None
    return adapter_config(resolved.folder)


def _flaw_for_vllm(resolved: ResolvedModel, adapter: dict[str, Any] | None, options: EngineOptions) -> str | None:
    if options.load_in_8bit:
        return "it cannot be loaded in 8 bits there"
    if adapter is None or resolved.folder is None:
        return None
    if base_of(resolved.folder) is None:
        return f"its {ADAPTER_CONFIG} names no base"
    return adapter_flaw(adapter)


def _template_of(model: str) -> str | None:
    """None also for what lies in no folder."""
    return chat_template(Path(model)) if Path(model).is_absolute() else None


def are_as_they_were(stamps: Mapping[str, str]) -> bool:
    """Whether each of the folders still holds what it held."""
    return stamps == stamps_of(*stamps)


def stamps_of(*models: str) -> dict[str, str]:
    """By folder; what lies in none has none.

    Others as soon as a folder holds another model: what is served must not be what lay there before.
    """
    return {model: _stamp(Path(model)) for model in models if Path(model).is_absolute()}


def _stamp(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(found for pattern in IDENTIFYING for found in folder.glob(pattern)):
        # One that goes away meanwhile is one that is not there.
        with suppress(FileNotFoundError):
            status = path.stat()
            digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}\n".encode())
    return digest.hexdigest()[:16]
