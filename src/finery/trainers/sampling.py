"""What the model says to a few prompts while it learns: greedy, so that progress can be compared."""

from typing import Any

import torch
from transformers import (
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from finery.contracts.events import EventType
from finery.contracts.recipes import CptConfig, TrainingConfig
from finery.trainers.attempt import Attempt


class SampleCallback(TrainerCallback):
    def __init__(self, attempt: Attempt, config: TrainingConfig, tokenizer: PreTrainedTokenizerBase) -> None:
        self._attempt = attempt
        self._config = config
        self._tokenizer = tokenizer

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **ctx: Any) -> None:
        self._answer(state.global_step, ctx["model"])

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **ctx: Any) -> None:
        self._answer(state.global_step, ctx["model"])

    def _answer(self, step: int, model: PreTrainedModel) -> None:
        if not self._attempt.is_main:
            return
        training = model.training
        model.eval()
        for prompt in self._config.sample_prompts:
            asked = prompt if isinstance(self._config, CptConfig) else as_question(self._tokenizer, prompt)
            text = go_on(model, self._tokenizer, asked, self._config.sample_max_new_tokens)
            self._attempt.reporter.event(EventType.SAMPLE, {"step": step, "prompt": prompt, "text": text})
            self._attempt.reporter.log(f"sample at step {step}: {prompt!r} → {text!r}")
        model.train(training)


def as_question(tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    messages = [{"role": "user", "content": prompt}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


@torch.no_grad()
def go_on(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, text: str, max_new_tokens: int) -> str:
    inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False).to(model.device)
    greedy = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=model.generation_config.eos_token_id or tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    tokens = model.generate(
        input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], generation_config=greedy
    )
    return str(tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
