"""Trainer of the recipe `kto`: Kahneman-Tversky optimisation (Ethayarajh et al. 2024) on labelled answers."""

from collections.abc import Iterator
from typing import Any

import pyarrow
import torch
from datasets import Dataset
from trl import KTOConfig, KTOTrainer

from finery.contracts.datasets import iter_feedback
from finery.contracts.process import Outcome
from finery.contracts.recipes import KtoConfig
from finery.trainers.arguments import BatchShape, training_arguments
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.encoding import Encoded, Encoder
from finery.trainers.errors import TrainingRefused
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

TOKENS = pyarrow.list_(pyarrow.int32())
SCHEMA = {"prompt_ids": TOKENS, "completion_ids": TOKENS, "label": pyarrow.bool_()}
SMALLEST_BATCH = 2
"""The KL divergence from the reference is estimated from prompts with the answers of other rows of the batch."""


def train(attempt: Attempt) -> Outcome:
    config = KtoConfig.model_validate(attempt.spec.config)
    torch.set_num_threads(attempt.spec.cpu_threads)
    refuse_foreign_output(attempt.spec.output_dir)
    if config.batch_size < SMALLEST_BATCH:
        raise TrainingRefused(
            f"kto needs a batch_size of at least {SMALLEST_BATCH}; it compares the rows of a batch", field="batch_size"
        )

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
    # The mismatched answers are fixed beforehand, so that the trainer goes through the rows in the order drawn here.
    train_rows = train_rows.shuffle(seed=config.seed, load_from_cache_file=False, keep_in_memory=True)

    checkpoints = Checkpoints(attempt, keep=config.save_total_limit)
    bf16 = computes_in_bf16(base, attempt, config)

    def build(shape: BatchShape) -> "EncodedKtoTrainer":
        model = load_causal_model(base, attempt, config)
        name_stop_tokens(model, encoder.stop_tokens)
        shared = training_arguments(attempt, config, checkpoints, shape, evaluates=eval_rows is not None, bf16=bf16)
        return EncodedKtoTrainer(
            model=model,
            # With LoRA, TRL takes the base with the adapter disabled as the reference.
            ref_model=None if config.use_lora else load_reference_model(base, attempt, config),
            args=KTOConfig(
                **shared,
                beta=config.beta,
                desirable_weight=config.desirable_weight,
                undesirable_weight=config.undesirable_weight,
                train_sampling_strategy="sequential",
            ),
            train_dataset=train_rows,
            eval_dataset=eval_rows,
            processing_class=tokenizer,
            peft_config=lora_config(model, config),
        )

    result = fit(attempt, config, checkpoints, build, smallest_batch=SMALLEST_BATCH)
    summary = TrainingSummary(base, len(train_rows), len(eval_rows or []), tuple(encoder.parity_prompts))
    return finish(attempt, config, result, tokenizer, summary)


class EncodedKtoTrainer(RouterLossApart, SettingsKeepingTrainer, KTOTrainer):
    """Takes rows that are tokens already: TRL would render and tokenize them once more."""

    def _prepare_dataset(self, dataset: Dataset, processing_class: Any, args: KTOConfig, *_: Any) -> Dataset:
        return dataset.map(
            _with_mismatched_answers,
            batched=True,
            batch_size=args.per_device_train_batch_size,
            load_from_cache_file=False,
            keep_in_memory=True,
        )


def _with_mismatched_answers(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Adds to each prompt the answer of the row before it, from which TRL estimates the KL divergence."""
    answers = batch["completion_ids"]
    return {"KL_completion_ids": [answers[-1], *answers[:-1]]}


def _encode(attempt: Attempt, config: KtoConfig, encoder: Encoder, data: Data) -> Dataset:
    counts = RowCounts()
    encoded = write_rows(attempt, data.name, SCHEMA, _rows(config, encoder, data, counts))
    report_dropped_rows(attempt, counts, data)
    return encoded


def _rows(config: KtoConfig, encoder: Encoder, data: Data, counts: RowCounts) -> Iterator[Encoded]:
    for row in iter_feedback(data.path, data.entry):
        if not row.is_trainable:
            counts.drop(NOTHING_TO_LEARN)
            continue
        try:
            prompt, completion = encoder.answer(row.prompt, row.completion, row.tools)
        except RowNotEncodable as error:
            counts.drop(str(error))
            continue
        room = config.max_length - len(prompt)
        if room <= 0:
            counts.drop(CUT_AWAY)
            continue
        counts.cut(len(completion) - room)
        counts.kept += 1
        yield {"prompt_ids": prompt, "completion_ids": completion[:room], "label": row.label}
