"""Machines, models and engines for the tests of deployments."""

import dataclasses
import json
from pathlib import Path

from finery.contracts.deployment import Deployment, EngineOptions
from finery.contracts.machine import Gpu
from finery.contracts.model_table import parse_model_table
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Principal
from finery.db import Database
from finery.domain import deployments
from finery.domain.context import DomainContext, LiveState
from finery.domain.deployments import LiveDeployment
from finery.domain.deployments.memory_estimate import memory_need
from finery.engines.vllm.engine import VllmEngine
from finery.engines.vllm.settings import VllmSettings
from finery.kit.usage_tracker import UsageTracker
from tests import builders
from tests.clock import Clock

GIB = 2**30


def make_context(
    home: Path,
    *,
    gpus: int = 0,
    gpu_bytes: int = 16 * GIB,
    ram_bytes: int = 8 * GIB,
    vllm: bool = False,
    clock: Clock | None = None,
    models: dict[str, object] | None = None,
) -> DomainContext:
    machine = builders.machine().model_copy(
        update={
            "memory_available_bytes": ram_bytes,
            "gpus": [
                Gpu(
                    index=index, uuid=f"GPU-{index}", name="Test",
                    memory_total_bytes=gpu_bytes, memory_free_bytes=gpu_bytes,
                )
                for index in range(gpus)
            ],
        }
    )  # fmt: skip
    context = builders.context(home)
    engine = VllmEngine(VllmSettings(), "/usr/bin/vllm" if vllm else None)
    return dataclasses.replace(
        context,
        machine=lambda: machine,
        models=parse_model_table({"models": models or {}}),
        engines={**context.engines, engine.name: engine},
        live=LiveState(in_use=UsageTracker(clock or Clock())),
    )


def make_model(home: Path, name: str, size: int = 64, context: DomainContext | None = None) -> str:
    """Its absolute path. With a `context`, an engine for it needs `size` bytes there, to within a percent."""
    folder = home / name
    folder.mkdir()
    (folder / "config.json").write_text('{"hidden_size": 8, "num_attention_heads": 1, "num_hidden_layers": 1}')
    weights = folder / "model.safetensors"
    builders.write_weights(weights)
    if context is not None:
        each = 1 if context.machine().gpus else 2
        size = (size - memory_need(str(folder), None, EngineOptions(), context)) // each
    builders.write_weights(weights, size)
    return str(folder)


def make_adapter(home: Path, name: str, base: str, **settings: object) -> str:
    folder = home / name
    folder.mkdir()
    config = {"r": 8, "base_model_name_or_path": base, **settings}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    builders.write_weights(folder / "adapter_model.safetensors", 64)
    return str(folder)


def ensure(database: Database, name: str, context: DomainContext, actor: Principal = LOCAL_ADMINISTRATOR) -> Deployment:
    with database.write() as session:
        return deployments.autostart.ensure(session, name, actor, context).deployment


def start(database: Database, deployment_id: str, context: DomainContext) -> str | None:
    """What the serve loop does with what can be started; the device, None where there is no room."""
    with database.write() as session:
        claim = deployments.claim(session, deployment_id, context)
        if claim is None:
            return None
        deployments.mark_running(session, deployment_id, claim.token, "cuda")
    context.live.in_use.touch(deployment_id)
    return claim.device


def live(database: Database, deployment_id: str) -> LiveDeployment:
    with database.read() as session:
        return next(one for one in deployments.list_live(session) if one.deployment.id == deployment_id)


def end(database: Database, deployment_id: str, error: str = "killed") -> bool:
    token = live(database, deployment_id).token
    assert token is not None
    with database.write() as session:
        return deployments.end(session, deployment_id, token, error)


def get(database: Database, deployment_id: str) -> Deployment:
    with database.read() as session:
        return deployments.get(session, deployment_id, LOCAL_ADMINISTRATOR)
