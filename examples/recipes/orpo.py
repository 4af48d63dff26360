"""A recipe in one file: odds ratio preference optimisation (Hong, Lee and Thorne, "ORPO", 2024, equations 3 to 7).

The server reads this file too, and starts without torch: what trains is imported when it trains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes import Recipe, TrainingConfig, register
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

    from finery.contracts.process import Outcome
    from finery.trainers.attempt import Attempt
    from finery.trainers.encoding import Encoder
    from finery.trainers.rows import Data, RowCounts

IGNORED = -100


class OrpoConfig(TrainingConfig):
    """Learns the chosen answer, and to find the rejected one less likely, without a reference model."""

    learning_rate: Annotated[float, Field(gt=0.0, le=10.0, allow_inf_nan=False)] = 8e-6
    beta: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 0.1
    """The weight of the odds ratio beside the loss of the chosen answer; λ in the paper."""


register(
    Recipe(
        name="orpo",
        title="odds ratio preference optimisation",
        config=OrpoConfig,
        trainer=f"{__name__}:train",
        examples=ExampleKind.PREFERENCE,
        tokens=TokenRules(same_prompt=True),
        footprint=lambda config: Footprint(sequences=2),
        learning_rate_factor=1 / 4,
    )
)


def train(attempt: Attempt) -> Outcome:
    import pyarrow
    import torch
    from peft import get_peft_model
    from transformers import TrainingArguments

    from finery.trainers.arguments import BatchShape, training_arguments
    from finery.trainers.checkpoints import Checkpoints
    from finery.trainers.encoding import Encoder
    from finery.trainers.finalization import TrainingSummary, finish
    from finery.trainers.loading import computes_in_bf16, load_causal_model, load_tokenizer, prepare_base
    from finery.trainers.lora import lora_config
    from finery.trainers.model_settings import SettingsKeepingTrainer, name_stop_tokens
    from finery.trainers.rows import RowCounts, report_dropped_rows, split, training_data, write_rows
    from finery.trainers.saving import refuse_foreign_output
    from finery.trainers.training_loop import fit

    config = OrpoConfig.model_validate(attempt.spec.config)
    torch.set_num_threads(attempt.spec.cpu_threads)
    refuse_foreign_output(attempt.spec.output_dir)

    attempt.stage("loading_model", f"loading {config.model_name}")
    base = prepare_base(attempt, config)
    tokenizer = load_tokenizer(base, config.chat_template)

    attempt.stage("loading_data", f"reading {config.dataset_path}")
    encoder, counts, data = Encoder(tokenizer), RowCounts(), training_data(attempt)
    schema = {name: pyarrow.list_(pyarrow.int32()) for name in ("prompt", "chosen", "rejected")}
    rows = write_rows(attempt, data.name, schema, _rows(config, encoder, data, counts))
    report_dropped_rows(attempt, counts, data)
    train_rows, eval_rows = split(rows, config.eval_split, config.seed)

    checkpoints = Checkpoints(attempt, keep=config.save_total_limit)
    bf16 = computes_in_bf16(base, attempt, config)

    def build(shape: BatchShape) -> SettingsKeepingTrainer:
        model = load_causal_model(base, attempt, config)
        name_stop_tokens(model, encoder.stop_tokens)
        adapter = lora_config(model, config)
        shared = training_arguments(attempt, config, checkpoints, shape, evaluates=eval_rows is not None, bf16=bf16)
        del shared["max_length"]
        return SettingsKeepingTrainer(
            model=model if adapter is None else get_peft_model(model, adapter),
            args=TrainingArguments(**shared, remove_unused_columns=False),
            data_collator=lambda batch: _collate(batch, tokenizer.pad_token_id),
            train_dataset=train_rows,
            eval_dataset=eval_rows,
            processing_class=tokenizer,
            compute_loss_func=lambda outputs, labels, **_: _loss(outputs.logits, labels, config.beta),
        )

    fitted = fit(attempt, config, checkpoints, build)
    lesson = TrainingSummary(base, len(train_rows), len(eval_rows or []), tuple(encoder.parity_prompts))
    return finish(attempt, config, fitted, tokenizer, lesson)


def _rows(config: OrpoConfig, encoder: Encoder, data: Data, counts: RowCounts) -> Iterator[dict[str, list[int]]]:
    from finery.contracts.datasets import iter_preferences
    from finery.trainers.rendering import RowNotEncodable
    from finery.trainers.rows import CUT_AWAY, NOTHING_TO_LEARN

    for row in iter_preferences(data.path, data.entry):
        if not row.is_trainable:
            counts.drop(NOTHING_TO_LEARN)
            continue
        try:
            prompt, chosen = encoder.answer(row.prompt, row.chosen, row.tools)
            _, rejected = encoder.answer(row.prompt, row.rejected, row.tools)
        except RowNotEncodable as error:
            counts.drop(str(error))
            continue
        room = config.max_length - len(prompt)
        if room <= 0 or chosen[:room] == rejected[:room]:
            counts.drop(CUT_AWAY)
            continue
        counts.truncated += len(chosen) > room or len(rejected) > room
        counts.kept += 1
        yield {"prompt": prompt, "chosen": chosen[:room], "rejected": rejected[:room]}


def _collate(batch: list[dict[str, list[int]]], padding: int) -> dict[str, torch.Tensor]:
    """Sequences [2 × rows, longest]: all of the chosen ones, then the rejected ones. Only answers have labels."""
    import torch

    answers = [(row["prompt"], row[kind]) for kind in ("chosen", "rejected") for row in batch]
    longest = max(len(prompt) + len(answer) for prompt, answer in answers)

    def padded(ids: list[int], value: int) -> list[int]:
        return ids + [value] * (longest - len(ids))

    made: dict[str, Any] = {
        "input_ids": [padded([*prompt, *answer], padding) for prompt, answer in answers],
        "attention_mask": [padded([1] * (len(prompt) + len(answer)), 0) for prompt, answer in answers],
        "labels": [padded([IGNORED] * len(prompt) + answer, IGNORED) for prompt, answer in answers],
    }
    return {name: torch.tensor(rows) for name, rows in made.items()}


def _loss(logits: torch.Tensor, labels: torch.Tensor, weight: float) -> torch.Tensor:
    """Of `logits` [2 × rows, length, words] and `labels` [2 × rows, length]."""
    import torch
    from torch.nn.functional import cross_entropy, logsigmoid

    targets = labels[:, 1:]
    each = cross_entropy(logits[:, :-1].float().transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    mean = -each.sum(dim=1) / (targets != IGNORED).sum(dim=1)
    chosen, rejected = mean.chunk(2)
    # The odds of an answer are P / (1 − P), with P the geometric mean over its tokens (equation 2).
    odds = (chosen - rejected) - (torch.log1p(-chosen.exp()) - torch.log1p(-rejected.exp()))
    return (-chosen - weight * logsigmoid(odds)).mean()
