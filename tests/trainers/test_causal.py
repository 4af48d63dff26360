"""The cheaper loss is TRL's, and packed rows do not see each other."""

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer
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
