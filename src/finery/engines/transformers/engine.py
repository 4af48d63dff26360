"""The server's adapter to the built-in engine: start command, health probe and request checks. Loads no torch."""

import http.client
import json
import sys
import urllib.request
from collections.abc import Mapping
from typing import Any

from finery.contracts.deployment import EngineOptions
from finery.contracts.machine import Machine
from finery.engines.base import Health, LoadPlan, ServableModel, StartOptions
from finery.engines.wire import ChatRequest, CompletionRequest, check_combinations, check_completion, read_fields

MODEL_UNLOADABLE = 3
"""The exit code when the model cannot be loaded and trying again would not help."""
ARCHITECTURE_UNSERVABLE = 4
"""The exit code when none of the ways to generate computes the model's architecture rightly."""
AUTH_VARIABLE = "FINERY_ENGINE_TOKEN"
"""The environment variable of the token that requests must bear."""


class TransformersEngine:
    name = "transformers"
    missing_reason = None
    validates_requests = True
    adapter_loading = None
    model_fault_codes = frozenset({MODEL_UNLOADABLE, ARCHITECTURE_UNSERVABLE})
    unservable_codes = frozenset({ARCHITECTURE_UNSERVABLE})

    def preference(self, machine: Machine) -> int:
        """It is always installed, and chosen where no other engine is."""
        return 1

    def issue(self, model: ServableModel, options: EngineOptions) -> str | None:
        return None

    def plan(self, model: ServableModel, options: EngineOptions) -> LoadPlan:
        """The engine's process itself merges an adapter into its base."""
        return LoadPlan(load=model.name, options=options)

    def served_name(self, plan: LoadPlan, stamp: str) -> str | None:
        return None

    def command(self, options: StartOptions) -> list[str]:
        command = [sys.executable, "-m", "finery.engines.transformers", "--model", options.model]
        command += ["--host", options.host, "--port", str(options.port), "--dtype", options.dtype]
        valued = {
            "--name": options.name,
            "--max-context": options.max_context,
            "--kv-blocks": options.kv_blocks,
            "--cache-bytes": options.cache_bytes,
            "--chat-template": options.chat_template,
        }
        for flag, value in valued.items():
            if value is not None:
                command += [flag, str(value)]
        if options.any_name:
            command.append("--any-name")
        if options.quantization is not None:
            command.append(f"--load-in-{options.quantization}")
        return command

    def environment(self, token: str) -> dict[str, str]:
        return {AUTH_VARIABLE: token}

    def health(self, port: int, token: str, seconds: float) -> Health | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=seconds) as answer:
                told = json.load(answer)
                return Health(str(told["device"]), told.get("generation"))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
            return None

    def check_request(self, path: str, body: Mapping[str, Any]) -> None:
        if path == "/v1/chat/completions":
            check_combinations(read_fields(ChatRequest, body))
        else:
            check_completion(read_fields(CompletionRequest, body))
