"""Which engine serves a model, and what it has to be started with."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finery.contracts.deployment import EngineOptions
from finery.contracts.model_folder import adapter_config, is_adapter
from finery.domain.catalog import ResolvedModel
from finery.domain.context import DomainContext
from finery.domain.deployments.errors import EngineUnavailable, UnknownEngine
from finery.engines.base import Engine, ServableModel
from finery.engines.registry import AUTO

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
    fingerprints: dict[str, str] = field(default_factory=dict)
    """Of the folders that are loaded; none for what lies in no folder."""
    served_name: str | None = None
    """What the engine itself calls the model; None where it answers to any name."""

    @property
    def key(self) -> str:
        """The same for all that one engine can serve."""
        parts = [self.engine, self.load, self.fingerprints.get(self.load, ""), self.options.model_dump(), self.rank]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def plan_engine(resolved: ResolvedModel, wanted: str, options: EngineOptions, context: DomainContext) -> EnginePlan:
    """`wanted`: an engine's name, or `auto`. Raises UnknownEngine, EngineUnavailable."""
    options = _with_entry(options, resolved)
    model = ServableModel(resolved.model, _adapter_config(resolved))
    if wanted == AUTO:
        return _planned(_preferred(model, options, context), model, options)
    engine = context.engines.get(wanted)
    if engine is None:
        raise UnknownEngine(wanted, context.engines)
    if engine.missing_reason is not None:
        raise EngineUnavailable(wanted, engine.missing_reason)
    issue = engine.issue(model, options)
    if issue is not None:
        other = _preferred(model, options, context).name
        raise EngineUnavailable(wanted, f"cannot serve this: {issue}; choose {other!r}")
    return _planned(engine, model, options)


def _preferred(model: ServableModel, options: EngineOptions, context: DomainContext) -> Engine:
    """What `auto` stands for. Raises EngineUnavailable."""
    machine = context.machine()
    able = [
        each for each in context.engines.values() if each.missing_reason is None and each.issue(model, options) is None
    ]
    ranked = [(each.preference(machine), each) for each in able if each.preference(machine) > 0]
    if not ranked:
        raise EngineUnavailable(AUTO, "finds none here that can serve this")
    return max(ranked, key=lambda found: found[0])[1]


def _planned(engine: Engine, model: ServableModel, options: EngineOptions) -> EnginePlan:
    plan = engine.plan(model, options)
    fingerprints = fingerprints_of(plan.load, model.name)
    return EnginePlan(
        engine=engine.name,
        model=model.name,
        load=plan.load,
        options=plan.options,
        adapter=plan.adapter,
        rank=plan.rank,
        fingerprints=fingerprints,
        served_name=engine.served_name(plan, fingerprints.get(model.name, "")),
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


def are_as_they_were(fingerprints: Mapping[str, str]) -> bool:
    """Whether each of the folders still holds what it held."""
    return fingerprints == fingerprints_of(*fingerprints)


def fingerprints_of(*models: str) -> dict[str, str]:
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
