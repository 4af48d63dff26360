"""How this engine is started and asked for its health. Loads no framework."""

import http.client
import json
import sys
import urllib.request

from finery.engines.base import EngineOptions

VARIABLE = "FINERY_ENGINE_TOKEN"
"""Of the environment: the token that requests have to bear."""


class TransformersEngine:
    shares_bases = False
    answers_any_name = True

    def command(self, options: EngineOptions) -> list[str]:
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
