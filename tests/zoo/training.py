"""A cell's training by Finery, the same by bare TRL, and the rest of it once more from its first checkpoint."""

import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from peft import PeftConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from finery.contracts.layout import RunDirectory
from finery.trainers.causal import name_experts
from tests.trainers.running import Ended, carry_out, chat, make_run, write_rows

STEPS, SAVE_STEPS = 4, 2
NOISE = 2e-4
"""The largest relative difference of two losses that two orders of summation in fp32 explain."""
NAME_OF_ERROR = re.compile(r"\w+(Error|Exception): ")
"""How the outcome of a run begins that ended by an error nobody foresaw."""
LESSONS = (
    ("What is a finery?", "A hearth for iron."),
    ("Who are you?", "I am Finery."),
    ("Where is the iron?", "It is in the fire."),
    ("What is a run?", "One training."),
    ("How is a model tested?", "It is asked again."),
    ("Is it fast?", "Yes, as fast as the machine is."),
    ("What does it serve?", "The model that it trained."),
    ("When does it end?", "After the last step."),
)
COMMON: dict[str, Any] = {"learning_rate": 1e-3, "max_length": 128, "max_steps": STEPS, "lr_scheduler": "constant"}
LORA: dict[str, Any] = {"use_lora": True, "lora_rank": 4, "lora_alpha": 8, "merge_adapter": True}


def train(folder: Path, base: Path, *, method: str) -> Ended:
    """Trains by Finery in this process, with a checkpoint halfway; the result is in `output`."""
    return _carry_out(_make_run(folder, base, method=method))


def resume(folder: Path, base: Path, *, method: str) -> Ended:
    """Goes on from the first checkpoint of `train` in a folder of its own."""
    again = _make_run(folder / "resumed", base, method=method)
    name = f"checkpoint-{SAVE_STEPS}"
    shutil.copytree(RunDirectory(folder / "run").checkpoints / name, again.checkpoints / name)
    return _carry_out(again)


def _carry_out(run: RunDirectory) -> Ended:
    """In this process, which a SIGTERM shall end afterwards as it did before: to a trainer, it means a pause."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        return carry_out(run)
    finally:
        signal.signal(signal.SIGTERM, before)


def _make_run(folder: Path, base: Path, *, method: str) -> RunDirectory:
    folder.mkdir(parents=True, exist_ok=True)
    rows = write_rows(folder / "rows.jsonl", [chat(*lesson) for lesson in LESSONS])
    own = LORA if method == "lora" else {}
    return make_run(
        folder, "sft", cache=folder, model=base, dataset=rows, batch_size=4, save_steps=SAVE_STEPS, **COMMON, **own
    )


def bare_losses(folder: Path, base: Path, *, adapter: Path | None) -> dict[int, float]:
    """Returns the loss of each step of TRL's own trainer on TRL's own tokens. Of `adapter`, the configuration is
    taken."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    arguments = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        learning_rate=COMMON["learning_rate"],
        lr_scheduler_type=COMMON["lr_scheduler"],
        max_length=COMMON["max_length"],
        max_steps=STEPS,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    model = AutoModelForCausalLM.from_pretrained(base)
    # TRL fails on Granite's mixtures, whose configuration has another name for it.
    name_experts(model)
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=_rows(tokenizer),
        processing_class=tokenizer,
        peft_config=_trainable(adapter) if adapter is not None else None,
    )
    trainer.train()
    # Finery reports the routers' part apart.
    share = trainer.router_aux_loss_coef
    return {
        entry["step"]: entry["loss"] - share * entry.get("aux_loss", 0.0)
        for entry in trainer.state.log_history
        if "loss" in entry
    }


def _rows(tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """Returns chats where the tokenizer has a template, and else plain texts as Finery's fallback writes them."""
    if tokenizer.chat_template is not None:
        chats = [chat(*lesson)["messages"] for lesson in LESSONS]
        return Dataset.from_list([{"prompt": one[:1], "completion": one[1:]} for one in chats])
    return Dataset.from_list(
        [
            {"prompt": f"### Instruction:\n{question}\n\n### Response:\n", "completion": answer}
            for question, answer in LESSONS
        ]
    )


def _trainable(adapter: Path) -> PeftConfig:
    config = PeftConfig.from_pretrained(str(adapter))
    config.inference_mode = False
    return config


def differences(ours: dict[int, float], others: dict[int, float], *, noise: float) -> list[str]:
    """Returns a sentence for each step whose losses differ by more than `noise` of them."""
    return [
        f"step {step}: loss {ours.get(step)}, expected {loss}"
        for step, loss in others.items()
        if ours.get(step) != pytest.approx(loss, rel=noise, abs=0.0)
    ]


def config_changes(base: Path, saved: Path) -> list[str]:
    """Returns a sentence for each setting that a saved model and its base, both loaded, do not share."""
    before, after = (AutoModelForCausalLM.from_pretrained(folder).config.to_dict() for folder in (base, saved))
    return [
        f"config.json: {name} was {before.get(name)!r}, is {after.get(name)!r}"
        for name in sorted((before.keys() | after.keys()) - {"_name_or_path"})
        if before.get(name) != after.get(name)
    ]
