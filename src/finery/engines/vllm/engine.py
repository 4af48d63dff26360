"""The vLLM engine: which models it serves, its command line and its health."""

import http.client
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from finery.contracts.deployment import EngineOptions
from finery.contracts.machine import Machine
from finery.contracts.model_folder import ADAPTER_CONFIG, base_of, chat_template
from finery.engines.base import AdapterLoading, Health, LoadPlan, ServableModel, StartOptions
from finery.engines.vllm.adapters import (
    COMMON_RANK,
    LOAD_PATH,
    adapter_issue,
    is_loaded_already,
    load_body,
    reserved_rank,
)
from finery.engines.vllm.requests import REQUEST_TYPES
from finery.engines.vllm.settings import VllmSettings, fill_command
from finery.engines.wire import read_fields


class VllmEngine:
    name = "vllm"
    # vLLM ignores keys that it does not know.
    validates_requests = False
    adapter_loading = AdapterLoading(LOAD_PATH, load_body, is_loaded_already)
    # vLLM exits with the same code whatever went wrong.
    model_fault_codes: frozenset[int] = frozenset()
    unservable_codes: frozenset[int] = frozenset()

    def __init__(self, settings: VllmSettings, executable: str | None) -> None:
        """`executable` is None where vLLM is not installed."""
        self._settings = settings
        self._executable = executable

    @classmethod
    def found(cls, settings: VllmSettings | None = None) -> "VllmEngine":
        """Returns the engine with the program that the settings lead to now, if there is one."""
        settings = settings or VllmSettings()
        return cls(settings, settings.executable())

    @property
    def missing_reason(self) -> str | None:
        return None if self._executable else "is not installed here; FINERY_VLLM_PYTHON says where it is"

    def preference(self, machine: Machine) -> int:
        return 2 if machine.gpus else 0

    def issue(self, model: ServableModel, options: EngineOptions) -> str | None:
        if options.load_in_8bit:
            return "it cannot be loaded in 8 bits there"
        if model.adapter is None:
            return None
        if base_of(Path(model.name)) is None:
            return f"its {ADAPTER_CONFIG} names no base"
        return adapter_issue(model.adapter)

    def plan(self, model: ServableModel, options: EngineOptions) -> LoadPlan:
        if model.adapter is None:
            return LoadPlan(load=model.name, options=options, rank=COMMON_RANK)
        base = str(base_of(Path(model.name)))
        template = chat_template(Path(model.name))
        base_template = chat_template(Path(base)) if Path(base).is_absolute() else None
        if options.chat_template is None and template is not None and template != base_template:
            # vLLM renders prompts with the base's template, but the adapter was trained with its own.
            options = options.model_copy(update={"chat_template": template})
        rank = reserved_rank(int(model.adapter.get("r", COMMON_RANK)))
        return LoadPlan(load=base, options=options, adapter=model.name, rank=rank)

    def served_name(self, plan: LoadPlan, stamp: str) -> str | None:
        return plan.load if plan.adapter is None else f"{plan.adapter}@{stamp}"

    def command(self, options: StartOptions) -> list[str]:
        """Returns the configured command with further flags; those that it sets already are left as they are."""
        name = options.name or options.model
        command = fill_command(self._settings.command, model=options.model, port=options.port, name=name)
        command[0] = self._executable or command[0]
        valued = {
            "--max-model-len": options.max_context,
            "--chat-template": options.chat_template,
            "--gpu-memory-utilization": options.memory_share,
            "--quantization": "bitsandbytes" if options.quantization == "4bit" else None,
            "--max-lora-rank": options.adapter_rank,
        }
        given = {part.partition("=")[0] for part in command}
        for flag, value in valued.items():
            if value is not None and flag not in given:
                command += [flag, str(value)]
        if options.adapter_rank is not None and "--enable-lora" not in command:
            command.append("--enable-lora")
        if options.adapters:
            command.append("--lora-modules")
            command += [json.dumps({"name": name, "path": folder}) for name, folder in options.adapters.items()]
        return command

    def environment(self, token: str) -> dict[str, str]:
        return {
            "VLLM_API_KEY": token,
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
            "VLLM_NO_USAGE_STATS": "1",
        }

    def health(self, port: int, token: str, seconds: float) -> Health | None:
        """Returns an empty device, since vLLM names none; None until it lists a model, as it does once loaded."""
        headers = {"Authorization": f"Bearer {token}"}
        listing = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models", headers=headers)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=seconds):
                pass
            with urllib.request.build_opener().open(listing, timeout=seconds) as answer:
                return Health("") if json.load(answer)["data"] else None
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None

    def check_request(self, path: str, body: Mapping[str, Any]) -> None:
        read_fields(REQUEST_TYPES[path], body)
