"""How this engine is started and asked for its health. Loads no framework."""

import http.client
import json
import sys
import urllib.request
from collections.abc import Mapping
from typing import Any

from finery.contracts.deployment import EngineOptions
from finery.contracts.machine import Machine
from finery.engines.base import LoadPlan, ServableModel, StartOptions
from finery.engines.transformers.requests import check_for_transformers

MODEL_UNLOADABLE = 3
"""The exit code where the model is at fault."""
VARIABLE = "FINERY_ENGINE_TOKEN"
"""Of the environment: the token that requests have to bear."""


class TransformersEngine:
    name = "transformers"
    absence = None
    refuses_itself = True
    adapter_loading = None
    model_faults = frozenset({MODEL_UNLOADABLE})

    def preference(self, machine: Machine) -> int:
        """It is what remains where no other engine is chosen."""
        return 1

    def issue(self, model: ServableModel, options: EngineOptions) -> str | None:
        return None

    def plan(self, model: ServableModel, options: EngineOptions) -> LoadPlan:
        """An adapter is merged into its base by the engine itself."""
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
        return {VARIABLE: token}

    def health(self, port: int, token: str, seconds: float) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=seconds) as answer:
                return str(json.load(answer)["device"])
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None

    def check_request(self, path: str, body: Mapping[str, Any]) -> None:
        check_for_transformers(path, body)
