import http.client
import json
import urllib.request

from finery.engines.base import EngineOptions
from finery.engines.vllm.settings import VllmSettings, fill_command


class VllmEngine:
    shares_bases = True
    answers_any_name = False

    def __init__(self, settings: VllmSettings, executable: str) -> None:
        self._settings = settings
        self._executable = executable

    def command(self, options: EngineOptions) -> list[str]:
        """What the administrator's template says already is left as it is."""
        name = options.name or options.model
        command = fill_command(self._settings.command, model=options.model, port=options.port, name=name)
        command[0] = self._executable
        valued = {
            "--max-model-len": options.max_context,
            "--chat-template": options.chat_template,
            "--gpu-memory-utilization": options.memory_share,
            "--quantization": "bitsandbytes" if options.quantization == "4bit" else None,
            "--max-lora-rank": options.adapter_rank,
        }
        for flag, value in valued.items():
            if value is not None and not _says(command, flag):
                command += [flag, str(value)]
        if options.adapter_rank is not None and "--enable-lora" not in command:
            command.append("--enable-lora")
        if options.adapters:
            command.append("--lora-modules")
            command += [json.dumps({"name": one, "path": folder}) for one, folder in options.adapters.items()]
        return command

    def environment(self, token: str) -> dict[str, str]:
        return {
            "VLLM_API_KEY": token,
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
            "VLLM_NO_USAGE_STATS": "1",
        }

    def health(self, port: int, token: str, seconds: float) -> str | None:
        """It does not tell of its device. That it lists a model says that it has loaded one."""
        headers = {"Authorization": f"Bearer {token}"}
        listing = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models", headers=headers)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=seconds):
                pass
            with urllib.request.build_opener().open(listing, timeout=seconds) as answer:
                return "" if json.load(answer)["data"] else None
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None


def _says(command: list[str], flag: str) -> bool:
    return any(part == flag or part.startswith(f"{flag}=") for part in command)
