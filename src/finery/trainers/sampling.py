"""Generates greedily: samples for `sample_prompts` during a training, and completions for the parity check."""

from dataclasses import dataclass
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

from finery.contracts.chat_prompts import end_tokens
from finery.contracts.events import SampleData
from finery.contracts.recipes import RECIPES, TrainingConfig
from finery.contracts.recipes.data_rules import ExampleKind
from finery.trainers.attempt import Attempt
from finery.trainers.rendering import prompts_of


@dataclass(frozen=True)
class Generation:
    tokens: list[int]
    """The generated tokens, an end token included."""
    logprobs: list[float]
    """Each token's natural log-probability."""


class SampleCallback(TrainerCallback):
    """Reports the model's answers to `sample_prompts` at each evaluation and at the end."""

    def __init__(self, attempt: Attempt, config: TrainingConfig, tokenizer: PreTrainedTokenizerBase) -> None:
        self._attempt = attempt
        self._config = config
        self._tokenizer = tokenizer
        self._prompts = prompts_of(tokenizer)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **ctx: Any) -> None:
        self._report(state.global_step, ctx["model"])

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **ctx: Any) -> None:
        self._report(state.global_step, ctx["model"])

    def _report(self, step: int, model: PreTrainedModel) -> None:
        if not self._attempt.is_main:
            return
        for prompt in self._config.sample_prompts:
            generation = generate_greedily(
                model, self._tokenizer, self._tokens(prompt), self._config.sample_max_new_tokens
            )
            text = str(self._tokenizer.decode(generation.tokens, skip_special_tokens=True))
            self._attempt.reporter.event(SampleData(step=step, prompt=prompt, text=text))
            self._attempt.reporter.log(f"sample at step {step}: {prompt!r} → {text!r}")

    def _tokens(self, prompt: str) -> list[int]:
        if RECIPES[self._attempt.spec.recipe].examples is ExampleKind.TEXT:
            return self._prompts.plain(prompt)
        return self._prompts.chat([{"role": "user", "content": prompt}])


@torch.no_grad()
def generate_greedily(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: list[int], max_new_tokens: int
) -> Generation:
    """Generates up to a token that would end the answer when served, whatever the model's own generation settings are.

    Greedy, so that samples of different steps can be compared.
    """
    ends = end_tokens(model.generation_config.eos_token_id, tokenizer.eos_token_id)
    greedy = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        eos_token_id=sorted(ends),
        pad_token_id=tokenizer.pad_token_id,
        output_logits=True,
        return_dict_in_generate=True,
    )
    ids = torch.tensor([prompt], device=model.device)
    training = model.training
    model.eval()
    output = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=greedy)
    model.train(training)
    tokens = output.sequences[0, len(prompt) :].tolist()
    scores = [
        torch.log_softmax(step[0].float(), dim=-1)[token] for step, token in zip(output.logits, tokens, strict=True)
    ]
    return Generation(tokens, [float(score) for score in scores])
