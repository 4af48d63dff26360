"""Documents are packed only where the model is shown to read each by itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from finery.trainers.packing import TOLERANCES, packed_difference
from tests.trainers.architectures import make
from tests.trainers.running import CORPUS, Ended, carry_out, make_run

FIRST, SECOND = list(range(100, 120)), list(range(300, 310))


class TestPackedDifference:
    @pytest.mark.parametrize(
        ("architecture", "keeps_apart"), [("qwen3_moe", True), ("bloom", False), ("gpt_oss", False)]
    )
    def test_shows_who_reads_the_document_before(
        self, architecture: str, keeps_apart: bool, tmp_path: Path, tiny_llama: Path
    ) -> None:
        model = AutoModelForCausalLM.from_pretrained(make(tmp_path, architecture, tiny_llama), dtype=torch.float32)
        model.train()
        difference = packed_difference(model, FIRST, SECOND)
        assert (difference <= TOLERANCES[torch.float32]) is keeps_apart
        assert model.training
        assert packed_difference(model, FIRST, SECOND) == difference

    def test_is_the_largest_of_all_positions(self, tiny_llama: Path) -> None:
        model = AutoModelForCausalLM.from_pretrained(tiny_llama)
        with torch.no_grad():
            alone = model(torch.tensor([SECOND])).logits[0]
            plain = model(torch.tensor([FIRST + SECOND])).logits[0, len(FIRST) :]

        class Joined(LlamaForCausalLM):
            def forward(self, input_ids: torch.Tensor, position_ids: torch.Tensor, **_: Any) -> Any:
                return super().forward(input_ids=input_ids)

        expected = ((plain - alone).norm(dim=-1) / alone.std(dim=-1) / (alone.shape[-1] - 1) ** 0.5).max()
        assert packed_difference(Joined.from_pretrained(tiny_llama), FIRST, SECOND) == pytest.approx(float(expected))
        assert packed_difference(model, FIRST, SECOND) < TOLERANCES[torch.float32]


def packing_off(run: Ended) -> list[dict[str, Any]]:
    return [data for data in run.of("notice") if data["code"] == "packing_off"]


class TestRuns:
    def train(self, folder: Path, recipe: str, model: Path, cache: Path, **config: Any) -> Ended:
        folder.mkdir()
        settings = {"batch_size": 4, "num_epochs": 1, "learning_rate": 1e-3, "seed": 5, **config}
        if recipe == "cpt":
            few = folder / "few.jsonl"
            few.write_text("".join(CORPUS.read_text(encoding="utf-8").splitlines(keepends=True)[:12]))
            settings |= {"dataset": few, "max_length": 64}
        result = carry_out(make_run(folder, recipe, cache=cache, model=model, **settings))
        assert (result.code, result.outcome.message) == (0, None)
        return result

    @pytest.mark.parametrize(
        ("recipe", "architecture", "settings"),
        [
            ("cpt", "bloom", {"max_steps": 6}),
            pytest.param("sft", "gpt_oss", {"packing": True, "max_steps": 3}, marks=pytest.mark.thorough),
            pytest.param("cpt", "bloom", {"max_steps": 6, "use_lora": True}, marks=pytest.mark.thorough),
        ],
    )
    def test_a_leak_turns_packing_off_with_a_notice(
        self, recipe: str, architecture: str, settings: dict[str, Any], tmp_path: Path, tiny_llama: Path, cache: Path
    ) -> None:
        base = make(tmp_path / "base", architecture, tiny_llama)
        asked = self.train(tmp_path / "asked", recipe, base, cache, **settings)
        (notice,) = packing_off(asked)
        assert (notice["code"], notice["level"]) == ("packing_off", "warning")
        assert architecture in notice["message"]
        assert "set packing: false" in notice["message"]
        plain = self.train(tmp_path / "plain", recipe, base, cache, **settings | {"packing": False})
        assert packing_off(plain) == []
        assert asked.losses() == plain.losses()

    def test_documents_that_stay_apart_are_packed(self, tmp_path: Path, tiny_llama: Path, cache: Path) -> None:
        packed = self.train(tmp_path / "packed", "cpt", tiny_llama, cache)
        plain = self.train(tmp_path / "plain", "cpt", tiny_llama, cache, packing=False)
        assert packing_off(packed) == []
        assert packed.outcome.metrics["steps"] < plain.outcome.metrics["steps"]

    def test_a_model_that_takes_no_packed_rows(
        self, tmp_path: Path, tiny_llama: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        forward = LlamaForCausalLM.forward

        def bare(self: LlamaForCausalLM, *arguments: Any, **named: Any) -> Any:
            if "seq_idx" in named:
                raise TypeError("forward() got an unexpected keyword argument 'seq_idx'")
            return forward(self, *arguments, **named)

        monkeypatch.setattr(LlamaForCausalLM, "forward", bare)
        result = self.train(tmp_path / "run", "cpt", tiny_llama, cache, max_steps=1)
        (notice,) = packing_off(result)
        assert (notice["code"], "'seq_idx'" in notice["message"]) == ("packing_off", True)
