import subprocess
import sys

import pytest

from finery.engines.commands import UnknownEngine, engine_command


class TestEngineCommand:
    def test_is_an_argument_list(self) -> None:
        command = engine_command("transformers", model="/models/a b", port=9000)
        assert command[:3] == [sys.executable, "-m", "finery.engines.transformers"]
        assert command[3:] == ["--model", "/models/a b", "--host", "127.0.0.1", "--port", "9000", "--dtype", "auto"]

    def test_passes_every_option(self) -> None:
        command = engine_command(
            "transformers",
            model="m",
            port=1,
            name="ft:x",
            quantization="4bit",
            max_context=512,
            kv_blocks=8,
        )
        rest = ["--name", "ft:x", "--load-in-4bit", "--max-context", "512", "--kv-blocks", "8"]
        assert command[-len(rest) :] == rest

    def test_names_the_known_engines(self) -> None:
        with pytest.raises(UnknownEngine, match=r"'vlm'; known engines: transformers"):
            engine_command("vlm", model="m", port=1)

    def test_loads_no_framework(self) -> None:
        program = "import sys, finery.engines.commands; sys.exit('torch' in sys.modules or 'fastapi' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
