import json
import struct
from pathlib import Path

import pytest

from finery.contracts.deployment import EngineOptions
from finery.domain.deployments import memory_estimate
from finery.domain.deployments.memory_estimate import cache_bytes, memory_need
from tests import builders
from tests.domain.deployments.serving import make_adapter

GIB = 2**30
BILLION = 1_000_000_000


def make_model(folder: Path, parameters: int, *, dtype: str = "bfloat16", **config: object) -> Path:
    """Only the header of the weights is written; the rest takes no room."""
    folder.mkdir()
    stored = {"bfloat16": ("BF16", 2), "float32": ("F32", 4)}[dtype]
    header = json.dumps({"w": {"dtype": stored[0], "shape": [parameters], "data_offsets": [0, 1]}}).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + parameters * stored[1])
    layers = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8}
    settings = {**layers, "max_position_embeddings": 8192, "dtype": dtype, **config}
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


class TestMemoryNeed:
    def test_weights_as_stored_on_a_gpu(self, home: Path) -> None:
        model = str(make_model(home / "m", 7 * BILLION))
        need = memory_need(model, None, EngineOptions(), builders.context(home, gpus=1))
        assert 14 * BILLION + 8 * GIB < need < 14 * BILLION + 10 * GIB

    @pytest.mark.parametrize(("computes", "bytes_each"), [(True, 2), (False, 4)])
    def test_widened_on_a_processor_without_bfloat16(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, computes: bool, bytes_each: int
    ) -> None:
        monkeypatch.setattr(memory_estimate, "computes_bfloat16", lambda: computes)
        model = str(make_model(home / "m", BILLION))
        need = memory_need(model, None, EngineOptions(max_context=256), builders.context(home))
        assert bytes_each * BILLION < need < bytes_each * BILLION + 1.5 * GIB

    def test_quantized(self, home: Path) -> None:
        model = str(make_model(home / "m", 7 * BILLION))
        context = builders.context(home, gpus=1)
        eight = memory_need(model, None, EngineOptions(load_in_8bit=True, max_context=256), context)
        four = memory_need(model, None, EngineOptions(load_in_4bit=True, max_context=256), context)
        assert 4 * GIB < four < 6 * GIB < eight < 9 * GIB

    def test_an_adapter_needs_its_base_too(self, home: Path) -> None:
        base = make_model(home / "m", BILLION)
        adapter = Path(make_adapter(home, "a", str(base)))
        size = (adapter / "adapter_model.safetensors").stat().st_size
        context = builders.context(home, gpus=1)
        alone = memory_need(str(base), None, EngineOptions(), context)
        assert memory_need(str(adapter), None, EngineOptions(), context) == alone + 2 * size
        assert memory_need(str(base), str(adapter), EngineOptions(), context) == alone + size

    def test_adapters_on_each_other_end_somewhere(self, home: Path) -> None:
        for one, other in (("a", "b"), ("b", "a")):
            make_adapter(home, one, str(home / other))
        assert memory_need(str(home / "a"), None, EngineOptions(), builders.context(home)) > 0

    def test_of_what_is_not_here_as_its_name_says(self, home: Path) -> None:
        context = builders.context(home, gpus=1)
        small = memory_need("org/model-0.5B", None, EngineOptions(), context)
        unknown = memory_need("org/model", None, EngineOptions(), context)
        assert small < 4 * GIB < 13 * GIB < unknown
        assert memory_need("finery/tiny-llama", None, EngineOptions(), context) < 2 * GIB

    def test_of_what_is_in_the_hubs_cache_as_it_is(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
        cached = home / "hub" / "models--gpt2"
        for folder in ("refs", "snapshots"):
            (cached / folder).mkdir(parents=True)
        (cached / "refs" / "main").write_text("0a1b")
        make_model(cached / "snapshots" / "0a1b", 1000)
        for model in ("gpt2", make_adapter(home, "a", "gpt2")):
            assert memory_need(model, None, EngineOptions(max_context=256), builders.context(home)) < 2 * GIB


class TestCacheBytes:
    def test_several_whole_contexts(self, home: Path) -> None:
        model = str(make_model(home / "m", 1000))
        of_a_token = 2 * 32 * 8 * 128 * 2
        context = builders.context(home, gpus=1)
        assert cache_bytes(model, EngineOptions(max_context=512), context) == 8 * (512 + 256) * of_a_token
        # Longer than the model was made for is no longer.
        longest = cache_bytes(model, EngineOptions(), context)
        assert cache_bytes(model, EngineOptions(max_context=1_000_000), context) == longest

    def test_bounded(self, home: Path) -> None:
        model = str(make_model(home / "m", 1000, max_position_embeddings=1_000_000))
        assert cache_bytes(model, EngineOptions(), builders.context(home)) == 2 * GIB
        assert cache_bytes(model, EngineOptions(), builders.context(home, gpus=1)) == 16 * GIB

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            '{"text_config": {"hidden_size": 64}}',
            '{"n_head": 2, "n_embd": 8}',
            '{"hidden_size": "x", "num_attention_heads": [], "max_position_embeddings": {}}',
            '{"hidden_size": 1e999, "num_attention_heads": 0, "num_hidden_layers": -5, "head_dim": true}',
            '{"a":' * 50_000 + "1" + "}" * 50_000,
        ],
    )
    def test_whatever_the_configuration_holds(self, home: Path, text: str) -> None:
        (home / "m").mkdir()
        (home / "m" / "config.json").write_text(text)
        assert cache_bytes(str(home / "m"), EngineOptions(), builders.context(home)) > 0
