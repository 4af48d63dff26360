"""From a claimed deployment to what an executor starts."""

import sys
from collections.abc import Mapping
from pathlib import Path

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.layout import mark_of
from finery.contracts.process import Launch
from finery.domain import deployments
from finery.domain.context import DomainContext
from finery.domain.deployments import LiveDeployment
from finery.domain.deployments.memory_estimate import cache_bytes
from finery.engines.base import Engine, Quantization, StartOptions
from finery.scheduler.launching import QUIET

STOP_GRACE_SECONDS = 5.0


def render_engine_launch(
    one: LiveDeployment, device: str, engine: Engine, context: DomainContext, secrets: Mapping[str, str]
) -> Launch:
    """Write what the engine reads at its start, and describe the process. Raises OSError when the disk refuses."""
    deployment, home = one.deployment, context.home
    directory, log_file = home.deployment(deployment.id), home.deployment_log(deployment.id)
    directory.attempt(one.attempt).path.mkdir(parents=True, exist_ok=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    load = loaded(one)
    options = _options(one, device, load, _write_template(one, directory.path), context)
    return Launch(
        mark=mark_of(context.home_id, directory.path, one.attempt),
        directory=directory.path,
        attempt=one.attempt,
        argv=[*_preparation(load, home.models), *engine.command(options)],
        working_directory=home.path,
        log_file=log_file,
        environment={
            **secrets,
            **_environment(device, engine, deployments.engine_token(deployment.id, context), context),
        },
        grace_seconds=STOP_GRACE_SECONDS,
    )


def loaded(one: LiveDeployment) -> str:
    """What the engine loads: an absolute folder, a built-in model's name, or a hub id."""
    return one.details.load or one.deployment.model


def _options(
    one: LiveDeployment, device: str, load: str, chat_template: Path | None, context: DomainContext
) -> StartOptions:
    deployment, wanted = one.deployment, one.deployment.options
    quantization: Quantization | None = "4bit" if wanted.load_in_4bit else "8bit" if wanted.load_in_8bit else None
    model = str(context.home.models / load) if load in BUILTIN_MODELS else load
    return StartOptions(
        model=model,
        port=deployment.port or 0,
        name=load if deployment.served_name is not None else deployment.model_name,
        any_name=deployment.on_demand,
        quantization=quantization,
        max_context=wanted.max_context,
        cache_bytes=cache_bytes(load, wanted, context),
        chat_template=chat_template,
        memory_share=_share(device, one.details.need, context),
        adapters=one.details.adapters,
        adapter_rank=one.details.rank,
    )


def _share(device: str, need: int, context: DomainContext) -> float | None:
    """Of the leased GPU's memory, as far as the lease goes."""
    total = next((gpu.memory_total_bytes for gpu in context.machine().gpus if device == f"gpu:{gpu.index}"), None)
    return None if total is None or not need else round(max(0.01, need / total), 3)


def _preparation(load: str, cache: Path) -> list[str]:
    """What becomes the engine once it is done: a built-in model is made on first use."""
    if load not in BUILTIN_MODELS:
        return []
    return [sys.executable, "-m", "finery.trainers.builtin", load, str(cache), "--then"]


def _write_template(one: LiveDeployment, folder: Path) -> Path | None:
    template = one.deployment.options.chat_template
    if template is None:
        return None
    path = folder / "chat_template.jinja"
    path.write_text(template, encoding="utf-8")
    return path


def _environment(device: str, engine: Engine, token: str, context: DomainContext) -> dict[str, str]:
    return {
        **QUIET,
        **engine.environment(token),
        "OMP_NUM_THREADS": str(context.machine().cpu_count),
        # The leases count as NVML does, by bus; CUDA would count the fastest first.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": device.removeprefix("gpu:") if device.startswith("gpu:") else "",
    }
