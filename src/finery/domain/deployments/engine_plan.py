"""Plans which engine serves a model, and what it is started with."""

import hashlib
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from finery.contracts.deployment import EngineOptions
from finery.contracts.machine import Machine
from finery.contracts.model_folder import adapter_config, is_adapter
from finery.domain.catalog import ResolvedModel
from finery.domain.context import DomainContext
from finery.domain.deployments.errors import EngineUnavailable, UnknownEngine
from finery.engines.base import Engine, ServableModel
from finery.engines.registry import AUTO
from finery.kit.log_throttle import LogThrottle
from finery.kit.translatable import Translatable

log = logging.getLogger(__name__)
_fault_log = LogThrottle(60.0)

IDENTIFYING = ("*.safetensors", "*.json", "*.jinja")
"""Files that make the model of a folder: when one changes, it is another model."""


@dataclass(frozen=True)
class EnginePlan:
    engine: str
    model: str
    """What the model's name was resolved to."""
    load: str
    """What the engine loads at its start: the model, or an adapter's base."""
    options: EngineOptions
    adapter: str | None = None
    """The folder of the adapter that is loaded beside the base."""
    rank: int | None = None
    """The largest rank of adapters that the engine can load; None where it loads none."""
    fingerprints: dict[str, str] = field(default_factory=dict)
    """By loaded folder; a model that is in no folder has none."""
    served_name: str | None = None
    """The engine's own name for the model; None where it takes any name."""

    @property
    def key(self) -> str:
        """A key that is the same for all models that one engine can serve."""
        parts = [self.engine, self.load, self.fingerprints.get(self.load, ""), self.options.model_dump(), self.rank]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def plan_engine(resolved: ResolvedModel, wanted: str, options: EngineOptions, context: DomainContext) -> EnginePlan:
    """Plan for the engine named `wanted`, or for the best one for `auto`. Raises UnknownEngine, EngineUnavailable."""
    options = _with_entry(options, resolved)
    folder = resolved.folder
    config = adapter_config(folder) if folder is not None and is_adapter(folder) else None
    model = ServableModel(resolved.model, config)
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
        raise EngineUnavailable(
            wanted, Translatable("cannot serve this: {issue}; choose {other!r}", issue=issue, other=other)
        )
    return _planned(engine, model, options)


def _preferred(model: ServableModel, options: EngineOptions, context: DomainContext) -> Engine:
    """Return the engine for `auto`. Raises EngineUnavailable."""
    machine = context.machine()
    preferences = [(_preference(each, model, options, machine), each) for each in context.engines.values()]
    ranked = [(preference, engine) for preference, engine in preferences if preference > 0]
    if not ranked:
        raise EngineUnavailable(AUTO, Translatable("finds none here that can serve this"))
    return max(ranked, key=lambda item: item[0])[1]


def _preference(engine: Engine, model: ServableModel, options: EngineOptions, machine: Machine) -> int:
    """Return how well the engine suits the model here; 0 if it cannot serve it, or fails to tell."""
    try:
        able = engine.missing_reason is None and engine.issue(model, options) is None
        return engine.preference(machine) if able else 0
    except Exception:
        # An engine from elsewhere: its fault must not take the others from those who name none.
        if _fault_log.is_due():
            log.exception("engine %r is left out: it does not tell whether it can serve %s", engine.name, model.name)
        return 0


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
    """Add the options of the administrator's table where the request has none."""
    if resolved.entry is None:
        return options
    known = {"max_context": resolved.entry.max_context, "chat_template": resolved.entry.chat_template}
    return options.model_copy(
        update={name: value for name, value in known.items() if options.model_dump()[name] is None}
    )


def are_unchanged(fingerprints: Mapping[str, str]) -> bool:
    """Return whether each folder still has its fingerprint."""
    return fingerprints == fingerprints_of(*fingerprints)


def fingerprints_of(*models: str) -> dict[str, str]:
    """Return a fingerprint for each model that is a folder, which changes as soon as the folder holds another model."""
    return {model: _fingerprint(Path(model)) for model in models if Path(model).is_absolute()}


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(found for pattern in IDENTIFYING for found in folder.glob(pattern)):
        # A file that is deleted meanwhile counts as one that does not exist.
        with suppress(FileNotFoundError):
            status = path.stat()
            digest.update(f"{path.name}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}\n".encode())
    return digest.hexdigest()[:16]
