"""Prepares the launch of a claimed deployment's engine: its directory, command, environment and secrets."""

import sys
from collections.abc import Mapping

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.layout import mark_of
from finery.contracts.process import Launch
from finery.domain import deployments
from finery.domain.context import DomainContext
from finery.domain.deployments import LiveDeployment
from finery.domain.deployments.memory_estimate import cache_bytes
from finery.engines.base import Engine, StartOptions
from finery.scheduler.run_launch import PROCESS_ENVIRONMENT

STOP_GRACE_SECONDS = 5.0


def render_engine_launch(
    live: LiveDeployment, device: str, engine: Engine, context: DomainContext, secrets: Mapping[str, str]
) -> Launch:
    """Write what the engine reads at its start, and describe its process. Raises OSError when the disk refuses."""
    deployment, home = live.deployment, context.home
    directory, log_file = home.deployment(deployment.id), home.deployment_log(deployment.id)
    directory.attempt(live.attempt).path.mkdir(parents=True, exist_ok=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    template = deployment.options.chat_template
    if template is not None:
        (directory.path / "chat_template.jinja").write_text(template, encoding="utf-8")
    command = engine.command(_start_options(live, device, context))
    model = model_of(live)
    if model in BUILTIN_MODELS:
        # A built-in model is made on first use, by a program that then becomes the engine.
        builtin = [sys.executable, "-m", "finery.trainers.builtin", model, str(home.models), "--then"]
        command = [*builtin, *command]
    return Launch(
        mark=mark_of(context.home_id, directory.path, live.attempt),
        directory=directory.path,
        attempt=live.attempt,
        argv=command,
        working_directory=home.path,
        log_file=log_file,
        environment={
            **secrets,
            **PROCESS_ENVIRONMENT,
            **engine.environment(deployments.engine_token(deployment.id, context)),
            "OMP_NUM_THREADS": str(context.machine().cpu_count),
            # The leases count as NVML does, by bus; CUDA would count the fastest first.
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "CUDA_VISIBLE_DEVICES": device.removeprefix("gpu:") if device.startswith("gpu:") else "",
        },
        grace_seconds=STOP_GRACE_SECONDS,
    )


def model_of(live: LiveDeployment) -> str:
    """Returns what the engine loads: an absolute folder, a built-in model's name, or a hub id."""
    return live.details.load or live.deployment.model


def _start_options(live: LiveDeployment, device: str, context: DomainContext) -> StartOptions:
    deployment, options, model = live.deployment, live.deployment.options, model_of(live)
    directory = context.home.deployment(deployment.id).path
    return StartOptions(
        model=str(context.home.models / model) if model in BUILTIN_MODELS else model,
        port=deployment.port or 0,
        name=model if deployment.served_name is not None else deployment.model_name,
        any_name=deployment.on_demand,
        quantization="4bit" if options.load_in_4bit else "8bit" if options.load_in_8bit else None,
        max_context=options.max_context,
        cache_bytes=cache_bytes(model, options, context),
        chat_template=None if options.chat_template is None else directory / "chat_template.jinja",
        memory_share=_memory_share(device, live.details.need, context),
        adapters=live.details.adapters,
        adapter_rank=live.details.rank,
    )


def _memory_share(device: str, need: int, context: DomainContext) -> float | None:
    """Returns which part of the leased GPU's memory the lease covers; None on the CPU, and where no need is known."""
    total = next((gpu.memory_total_bytes for gpu in context.machine().gpus if device == f"gpu:{gpu.index}"), None)
    return None if total is None or not need else round(max(0.01, need / total), 3)
