"""The cheaper loss is TRL's, and packed rows do not see each other."""

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, Qwen3MoeConfig, Qwen3MoeForCausalLM
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from finery.trainers.causal import CausalTrainer

NOISE = 2e-6
"""Between two orders of summation in fp32, for losses of about 8."""


def rows(count: int, length: int) -> Dataset:
    generator = torch.Generator().manual_seed(count)
    made = []
    for index in range(count):
        ids = torch.randint(4, 4000, (length - index % 5,), generator=generator).tolist()
        prompt = 1 + index % 4
        made.append({"input_ids": ids, "labels": [-100] * prompt + ids[prompt:]})
    return Dataset.from_list(made)


def make_trainer(kind: type[SFTTrainer], model: Path, folder: Path, *, packing: bool, lora: bool) -> SFTTrainer:
    arguments = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        packing=packing,
        max_length=64,
        max_steps=6,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        report_to=[],
        disable_tqdm=True,
        logging_steps=1,
        save_strategy="no",
        gradient_accumulation_steps=2,
    )
    return kind(
        model=AutoModelForCausalLM.from_pretrained(model),
        args=arguments,
        train_dataset=rows(24, 20),
        eval_dataset=rows(6, 20),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM") if lora else None,
    )


class TestCausalTrainer:
    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("lora", [False, pytest.param(True, marks=pytest.mark.thorough)], ids=["full", "lora"])
    @pytest.mark.parametrize("packing", [False, True], ids=["padded", "packed"])
    def test_computes_what_trl_computes(self, packing: bool, lora: bool, tmp_path: Path, tiny_llama: Path) -> None:
        histories = []
        for kind in (SFTTrainer, CausalTrainer):
            trainer = make_trainer(kind, tiny_llama, tmp_path, packing=packing, lora=lora)
            trainer.train()
            evaluation = trainer.evaluate()
            entries = [entry for entry in trainer.state.log_history if "loss" in entry]
            histories.append([*entries, {name: evaluation[name] for name in ("eval_loss", "eval_mean_token_accuracy")}])
        for theirs, ours in zip(*histories, strict=True):
            for name in theirs.keys() & ours.keys() - {"epoch", "step"}:
                assert ours[name] == pytest.approx(theirs[name], rel=1e-4, abs=NOISE * 10), name


class TestEvaluation:
    @pytest.mark.filterwarnings("ignore")
    def test_every_learned_token_counts_the_same(self, tmp_path: Path, tiny_llama: Path) -> None:
        trainer = make_trainer(CausalTrainer, tiny_llama, tmp_path, packing=False, lora=False)
        lengths = (30, 4, 25, 6, 12)
        uneven = Dataset.from_list([rows(length, length)[0] for length in lengths])
        trainer.args.per_device_eval_batch_size = 2
        (trained, learned) = ([], [])
        for row in uneven:
            logits = trainer.model.eval()(input_ids=torch.tensor(row["input_ids"])[None]).logits[0, :-1]
            labels = torch.tensor(row["labels"])[1:]
            trained.append(torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item())
            learned.append((labels != -100).sum().item())
        by_tokens = sum(trained) / sum(learned)
        by_rows = sum(loss / count for loss, count in zip(trained, learned, strict=True)) / len(lengths)
        assert abs(by_rows - by_tokens) > 1e-3
        assert trainer.evaluate(uneven)["eval_loss"] == pytest.approx(by_tokens, abs=1e-5)


class TestRouterLoss:
    @pytest.mark.filterwarnings("ignore")
    def test_is_told_apart(self, tmp_path: Path, tiny_llama: Path) -> None:
        torch.manual_seed(0)
        sizes = {"vocab_size": 4096, "hidden_size": 32, "num_hidden_layers": 1, "moe_intermediate_size": 16}
        heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "num_experts_per_tok": 2}
        config = Qwen3MoeConfig(**sizes, **heads, num_experts=4, router_aux_loss_coef=0.5)
        Qwen3MoeForCausalLM(config).save_pretrained(tmp_path / "model")
        AutoTokenizer.from_pretrained(tiny_llama).save_pretrained(tmp_path / "model")
        theirs, ours = (
            make_trainer(kind, tmp_path / "model", tmp_path, packing=False, lora=False)
            for kind in (SFTTrainer, CausalTrainer)
        )
        for trainer in (theirs, ours):
            trainer.train()
        histories = [[entry for entry in trainer.state.log_history if "loss" in entry] for trainer in (theirs, ours)]
        for whole, apart in zip(*histories, strict=True):
            assert apart["aux_loss"] == pytest.approx(whole["aux_loss"], abs=1e-5)
            assert apart["loss"] + 0.5 * apart["aux_loss"] == pytest.approx(whole["loss"], abs=1e-4)
        assert len(histories[0]) == 6
        whole, apart = theirs.evaluate(), ours.evaluate()
        assert apart["eval_aux_loss"] == pytest.approx(whole["eval_aux_loss"], abs=1e-5)
        assert apart["eval_loss"] + 0.5 * apart["eval_aux_loss"] == pytest.approx(whole["eval_loss"], abs=1e-4)


class TestPacking:
    @pytest.mark.parametrize("attention", ["sdpa", "eager"])
    def test_rows_do_not_see_each_other(self, attention: str, tiny_llama: Path) -> None:
        model = AutoModelForCausalLM.from_pretrained(tiny_llama, attn_implementation=attention).eval()
        first, second = (torch.tensor(row["input_ids"]) for row in rows(2, 12))
        packed = {"input_ids": torch.cat([first, second]).tolist(), "labels": torch.cat([first, second]).tolist()}
        collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)
        batch = collate([{**packed, "seq_lengths": [len(first), len(second)]}])
        batch.pop("labels")
        with torch.no_grad():
            together = model(**batch, use_cache=False).logits[0]
            alone = torch.cat([model(input_ids=row[None]).logits[0] for row in (first, second)])
            joined = model(input_ids=torch.cat([first, second])[None]).logits[0]
        assert (together - alone).abs().max() < 1e-4
        assert (joined - alone).abs().max() > 1e-2
