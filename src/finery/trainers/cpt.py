"""Trainer of the recipe `cpt`: continued pre-training on plain text."""

from collections.abc import Iterator

import pyarrow
import torch
from datasets import Dataset
from trl import SFTConfig

from finery.contracts.datasets import iter_texts
from finery.contracts.process import Outcome
from finery.contracts.recipes import CptConfig
from finery.trainers.arguments import BatchShape, training_arguments
from finery.trainers.attempt import Attempt
from finery.trainers.causal import CausalTrainer
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.encoding import Encoded, Encoder
from finery.trainers.finalization import TrainingSummary, finish
from finery.trainers.loading import computes_in_bf16, load_causal_model, load_tokenizer, prepare_base, within_context
from finery.trainers.lora import lora_config
from finery.trainers.packing import can_pack
from finery.trainers.rows import (
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

SCHEMA = {"input_ids": pyarrow.list_(pyarrow.int32()), "labels": pyarrow.list_(pyarrow.int32())}


def train(attempt: Attempt) -> Outcome:
    config = CptConfig.model_validate(attempt.spec.config)
    torch.set_num_threads(attempt.spec.cpu_threads)
    refuse_foreign_output(attempt.spec.output_dir)

    attempt.stage("loading_model", f"loading {config.model_name}")
    base = prepare_base(attempt, config)
    config = within_context(attempt, config, base)
    tokenizer = load_tokenizer(base, config.chat_template)

    attempt.stage("loading_data", f"reading {config.dataset_path}")
    encoder = Encoder(tokenizer)
    rows = _encode(attempt, config, encoder, training_data(attempt))
    evaluation = evaluation_data(attempt)
    if evaluation is not None:
        train_rows, eval_rows = rows, _encode(attempt, config, encoder, evaluation)
    else:
        train_rows, eval_rows = split(rows, config.eval_split, config.seed)

    checkpoints = Checkpoints(attempt, keep=config.save_total_limit)
    bf16 = computes_in_bf16(base, attempt, config)

    def build(shape: BatchShape) -> CausalTrainer:
        model = load_causal_model(base, attempt, config)
        packing = config.packing and can_pack(attempt, config, model, train_rows)
        shared = training_arguments(attempt, config, checkpoints, shape, evaluates=eval_rows is not None, bf16=bf16)
        return CausalTrainer(
            model=model,
            args=SFTConfig(
                **shared,
                packing=packing,
                eval_packing=False,
                # The rows are tokens, labelled and cut; only packing is left to do.
                dataset_kwargs={"skip_prepare_dataset": not packing},
            ),
            train_dataset=train_rows,
            eval_dataset=eval_rows,
            processing_class=tokenizer,
            peft_config=lora_config(model, config),
        )

    result = fit(attempt, config, checkpoints, build)
    summary = TrainingSummary(base, len(train_rows), len(eval_rows or []), tuple(encoder.parity_prompts))
    return finish(attempt, config, result, tokenizer, summary)


def _encode(attempt: Attempt, config: CptConfig, encoder: Encoder, data: Data) -> Dataset:
    counts = RowCounts()
    encoded = write_rows(attempt, data.name, SCHEMA, _rows(config, encoder, data, counts))
    report_dropped_rows(attempt, counts, data)
    return encoded


def _rows(config: CptConfig, encoder: Encoder, data: Data, counts: RowCounts) -> Iterator[Encoded]:
    """Yields texts in pieces of `max_length`: all of a long text is learned, where `sft` cuts its end off."""
    for row in iter_texts(data.path, data.entry):
        if not row.is_trainable:
            counts.drop(NOTHING_TO_LEARN)
            continue
        ids = encoder.text(row)
        for start in range(0, len(ids), config.max_length):
            piece = ids[start : start + config.max_length]
            # The first token is never predicted, so that a single one teaches nothing.
            if len(piece) > 1:
                counts.kept += 1
                yield {"input_ids": piece, "labels": piece}
