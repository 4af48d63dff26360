"""The peer: TRL's SFTTrainer as its documentation has it, with the settings that Finery was given."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import load_dataset
from peft import PeftConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import SFTConfig, SFTTrainer

from bench.gpu.models import Scale


@dataclass(frozen=True)
class Bare:
    losses: list[float]
    seconds_of_step: float


class Clock(TrainerCallback):
    def __init__(self) -> None:
        self.times: list[float] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if "loss" in (logs or {}):
            self.times.append(time.time())


def bare_sft(
    folder: Path, *, model: Path, dataset: Path, adapter: Path | None, scale: Scale, on_gpu: bool, skipped: int
) -> Bare:
    """Trains as many steps as Finery did. Of `adapter`, the configuration is taken."""
    clock = Clock()
    dtype = torch.bfloat16 if on_gpu and adapter is not None else torch.float32
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype=dtype),
        args=SFTConfig(
            output_dir=str(folder),
            max_steps=scale.steps,
            max_length=scale.max_length,
            per_device_train_batch_size=scale.batch_size,
            learning_rate=1e-5,
            logging_steps=1,
            bf16=on_gpu,
            use_cpu=not on_gpu,
            gradient_checkpointing=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=load_dataset("json", data_files=str(dataset), split="train", cache_dir=str(folder / "datasets")),
        processing_class=AutoTokenizer.from_pretrained(model),
        peft_config=None if adapter is None else _trainable(adapter),
        callbacks=[clock],
    )
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    counted = clock.times[skipped:]
    return Bare(losses, (counted[-1] - counted[0]) / max(1, len(counted) - 1))


def _trainable(adapter: Path) -> PeftConfig:
    config = PeftConfig.from_pretrained(str(adapter))
    config.inference_mode = False
    return config
