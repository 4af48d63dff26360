"""Trainer of the recipe `dpo`: direct preference optimisation (Rafailov et al. 2023), by TRL's loss."""

from collections.abc import Iterator
from typing import Any

import pyarrow
import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from finery.contracts.datasets import iter_preferences
from finery.contracts.process import Outcome
from finery.contracts.recipes import DpoConfig
from finery.trainers.arguments import BatchShape, training_arguments
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.encoding import Encoded, Encoder
from finery.trainers.finalization import TrainingSummary, finish
from finery.trainers.loading import (
    computes_in_bf16,
    load_causal_model,
    load_reference_model,
    load_tokenizer,
    prepare_base,
    within_context,
)
from finery.trainers.lora import lora_config
from finery.trainers.model_settings import SettingsKeepingTrainer, name_stop_tokens
from finery.trainers.rendering import RowNotEncodable
from finery.trainers.router_loss import RouterLossApart
from finery.trainers.rows import (
    CUT_AWAY,
    NOTHING_TO_LEARN,
    Data,
    RowCounts,
    evaluation_data,
    report_dropped_rows,
    split,
    training_data,
    write_rows,
)
from finery.trainers.saving import refuse_foreign_output
from finery.trainers.training_loop import fit

SCHEMA = {name: pyarrow.list_(pyarrow.int32()) for name in ("prompt_ids", "chosen_ids", "rejected_ids")}


def train(attempt: Attempt) -> Outcome:
    config = DpoConfig.model_validate(attempt.spec.config)
    torch.set_num_threads(attempt.spec.cpu_threads)
    refuse_foreign_output(attempt.spec.output_dir)

    attempt.stage("loading_model", f"loading {config.model_name}")
    base = prepare_base(attempt, config)
    config = within_context(attempt, config, base)
    tokenizer = load_tokenizer(base, config.chat_template)

    attempt.stage("loading_data", f"reading {config.dataset_path}")
    encoder = Encoder(tokenizer, split_special_tokens=config.split_special_tokens)
    rows = _encode(attempt, config, encoder, training_data(attempt))
    evaluation = evaluation_data(attempt)
    if evaluation is not None:
        train_rows, eval_rows = rows, _encode(attempt, config, encoder, evaluation)
    else:
        train_rows, eval_rows = split(rows, config.eval_split, config.seed)

    checkpoints = Checkpoints(attempt, keep=config.save_total_limit)
    bf16 = computes_in_bf16(base, attempt, config)

    def build(shape: BatchShape) -> "EncodedDpoTrainer":
        model = load_causal_model(base, attempt, config)
        name_stop_tokens(model, encoder.stop_tokens)
        shared = training_arguments(attempt, config, checkpoints, shape, evaluates=eval_rows is not None, bf16=bf16)
        return EncodedDpoTrainer(
            model=model,
            # With LoRA, TRL takes the base with the adapter disabled as the reference.
            ref_model=None if config.use_lora else load_reference_model(base, attempt, config),
            args=DPOConfig(
                **shared,
                beta=config.beta,
                loss_type=[config.loss_type],
                label_smoothing=config.label_smoothing,
            ),
            train_dataset=train_rows,
            eval_dataset=eval_rows,
            processing_class=tokenizer,
            peft_config=lora_config(model, config),
        )

    result = fit(attempt, config, checkpoints, build)
    summary = TrainingSummary(base, len(train_rows), len(eval_rows or []), tuple(encoder.parity_prompts))
    return finish(attempt, config, result, tokenizer, summary)


class EncodedDpoTrainer(RouterLossApart, SettingsKeepingTrainer, DPOTrainer):
    """Takes rows that are tokens already: TRL would render and tokenize them once more."""

    def _prepare_dataset(self, dataset: Dataset, *_: Any) -> Dataset:
        return dataset


def _encode(attempt: Attempt, config: DpoConfig, encoder: Encoder, data: Data) -> Dataset:
    counts = RowCounts()
    encoded = write_rows(attempt, data.name, SCHEMA, _rows(config, encoder, data, counts))
    report_dropped_rows(attempt, counts, data)
    return encoded


def _rows(config: DpoConfig, encoder: Encoder, data: Data, counts: RowCounts) -> Iterator[Encoded]:
    for row in iter_preferences(data.path, data.entry):
        if not row.is_trainable:
            counts.drop(NOTHING_TO_LEARN)
            continue
        try:
            prompt, chosen = encoder.answer(row.prompt, row.chosen, row.tools)
            prompt_again, rejected = encoder.answer(row.prompt, row.rejected, row.tools)
        except RowNotEncodable as error:
            counts.drop(str(error))
            continue
        if prompt != prompt_again:
            counts.drop("the chat template renders the prompt differently for its two answers")
            continue
        room = config.max_length - len(prompt)
        if room <= 0 or chosen[:room] == rejected[:room]:
            counts.drop(CUT_AWAY)
            continue
        counts.cut(len(chosen) - room, len(rejected) - room)
        counts.kept += 1
        yield {"prompt_ids": prompt, "chosen_ids": chosen[:room], "rejected_ids": rejected[:room]}
