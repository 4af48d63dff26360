"""Trainer of the recipe `sft`: supervised fine-tuning on conversations, prompt-completion pairs or texts."""

from collections.abc import Iterator

import pyarrow
import torch
from datasets import Dataset
from trl import SFTConfig

from finery.contracts.datasets import Text, iter_conversations
from finery.contracts.process import Outcome
from finery.contracts.recipes import SftConfig
from finery.trainers.arguments import BatchShape, training_arguments
from finery.trainers.attempt import Attempt
from finery.trainers.causal import CausalTrainer
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.encoding import MASKED, Encoded, Encoder
from finery.trainers.finalization import TrainingSummary, finish
from finery.trainers.loading import computes_in_bf16, load_causal_model, load_tokenizer, prepare_base, within_context
from finery.trainers.lora import lora_config
from finery.trainers.model_settings import name_stop_tokens
from finery.trainers.packing import can_pack
from finery.trainers.rendering import RowNotEncodable
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

SCHEMA = {"input_ids": pyarrow.list_(pyarrow.int32()), "labels": pyarrow.list_(pyarrow.int32())}


def train(attempt: Attempt) -> Outcome:
    config = SftConfig.model_validate(attempt.spec.config)
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

    def build(shape: BatchShape) -> CausalTrainer:
        model = load_causal_model(base, attempt, config)
        name_stop_tokens(model, encoder.stop_tokens)
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


def _encode(attempt: Attempt, config: SftConfig, encoder: Encoder, data: Data) -> Dataset:
    counts = RowCounts()
    encoded = write_rows(attempt, data.name, SCHEMA, _rows(config, encoder, data, counts))
    report_dropped_rows(attempt, counts, data)
    if encoder.left_out:
        left_out = f"{encoder.left_out} answers left out of rows that are learned ({encoder.left_out_reason})"
        attempt.reporter.notice("answers_left_out", f"{data.shown}: {left_out}", count=encoder.left_out)
    return encoded


def _rows(config: SftConfig, encoder: Encoder, data: Data, counts: RowCounts) -> Iterator[Encoded]:
    for row in iter_conversations(data.path, data.entry):
        if not row.is_trainable:
            counts.drop(NOTHING_TO_LEARN)
            continue
        try:
            if isinstance(row, Text):
                ids = encoder.text(row)
                encoded = [{"input_ids": ids, "labels": ids}]
            else:
                encoded = encoder.conversation(row, completion_only=config.completion_only_loss)
        except RowNotEncodable as error:
            counts.drop(str(error))
            continue
        for piece in encoded:
            yield from _within_length(piece, config.max_length, counts)


def _within_length(row: Encoded, max_length: int, counts: RowCounts) -> Iterator[Encoded]:
    """Yields the row cut to `max_length`; nothing when no learned token is left (the first is never predicted)."""
    if len(row["input_ids"]) > max_length:
        counts.cut(len(row["input_ids"]) - max_length)
        row = {column: tokens[:max_length] for column, tokens in row.items()}
    if all(label == MASKED for label in row["labels"][1:]):
        counts.drop(CUT_AWAY)
        return
    counts.kept += 1
    yield row
