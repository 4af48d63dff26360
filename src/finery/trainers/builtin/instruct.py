"""Trains `finery/tiny-llama-instruct`: the tiny Llama after full fine-tuning on the shipped instructions.

The training is that of the recipe `sft` in a plain loop, with a fixed seed, order and number of threads, so that it
gives the same model each time on the same kind of processor.
"""

import math
from collections.abc import Callable

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from finery.contracts.datasets import Text, iter_conversations
from finery.trainers.builtin.models import SEED
from finery.trainers.builtin.tokenizer import SAMPLES
from finery.trainers.encoding import MASKED, Encoder

EPOCHS = 30
BATCH_SIZE = 16
LEARNING_RATE = 3e-3
WARMUP_SHARE = 0.05
THREADS = 1


def teach_instructions(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, report: Callable[[str], None]
) -> None:
    """Trains the model in place, and leaves torch's threads and random state as they were."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            _train(model, _encoded_samples(tokenizer), report)
    finally:
        torch.set_num_threads(threads)
    model.eval()


def _encoded_samples(tokenizer: PreTrainedTokenizerFast) -> list[tuple[torch.Tensor, torch.Tensor]]:
    encoder = Encoder(tokenizer)
    encoded = []
    for row in iter_conversations(SAMPLES / "instructions.jsonl"):
        assert not isinstance(row, Text)
        for part in encoder.conversation(row, completion_only=True):
            encoded.append((torch.tensor(part["input_ids"]), torch.tensor(part["labels"])))
    return encoded


def _train(
    model: PreTrainedModel, rows: list[tuple[torch.Tensor, torch.Tensor]], report: Callable[[str], None]
) -> None:
    steps = EPOCHS * math.ceil(len(rows) / BATCH_SIZE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step / steps))
    model.train()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(rows)).tolist()
        for start in range(0, len(rows), BATCH_SIZE):
            batch = [rows[index] for index in order[start : start + BATCH_SIZE]]
            ids = pad_sequence([ids for ids, _ in batch], batch_first=True, padding_value=model.config.pad_token_id)
            labels = pad_sequence([labels for _, labels in batch], batch_first=True, padding_value=MASKED)
            # No mask: rows are padded at their end, which no token of a causal model attends to.
            hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
            learned = labels[:, 1:] != MASKED
            loss = cross_entropy(model.lm_head(hidden[learned]), labels[:, 1:][learned])
            loss.backward()
            clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        if epoch % 10 == 9:
            report(f"teaching finery/tiny-llama the shipped instructions: {epoch + 1} of {EPOCHS} epochs")


def _rate(done: float) -> float:
    """Returns the factor of the learning rate, cosine after a linear warm-up, when `done` of 1 is done."""
    warm = min(1.0, (done + 1e-3) / WARMUP_SHARE)
    return warm * 0.5 * (1 + math.cos(math.pi * done))
