"""Trainer of the recipe `reward`: a reward model, which gives one score per answer, from preference rows."""

from collections.abc import Iterator

import pyarrow
import torch
from datasets import Dataset
from peft import TaskType
from trl import RewardConfig as TrlRewardConfig
from trl import RewardTrainer

from finery.contracts.datasets import iter_preferences
from finery.contracts.process import Outcome
from finery.contracts.recipes import RewardConfig
from finery.trainers.arguments import BatchShape, training_arguments
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.encoding import Encoded, Encoder
from finery.trainers.errors import TrainingRefused
from finery.trainers.finalization import TrainingSummary, finish
from finery.trainers.loading import computes_in_bf16, load_reward_model, load_tokenizer, prepare_base, within_context
from finery.trainers.lora import lora_config
from finery.trainers.model_settings import SettingsKeepingTrainer
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

SCHEMA = {name: pyarrow.list_(pyarrow.int32()) for name in ("chosen_ids", "rejected_ids")}


def train(attempt: Attempt) -> Outcome:
    config = RewardConfig.model_validate(attempt.spec.config)
    torch.set_num_threads(attempt.spec.cpu_threads)
    refuse_foreign_output(attempt.spec.output_dir)
    if config.sample_prompts:
        raise TrainingRefused(
            "sample_prompts: a reward model scores answers and gives none; leave them out", field="sample_prompts"
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

    checkpoints = Checkpoints(attempt, keep=config.save_total_limit)
    bf16 = computes_in_bf16(base, attempt, config)

    def build(shape: BatchShape) -> "EncodedRewardTrainer":
        # The score's head is new and random: a resumed run must begin with the same one.
        torch.manual_seed(config.seed)
        model = load_reward_model(base, attempt, config)
        # The score is read at the last token that is no padding.
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        shared = training_arguments(attempt, config, checkpoints, shape, evaluates=eval_rows is not None, bf16=bf16)
        return EncodedRewardTrainer(
            model=model,
            args=TrlRewardConfig(**shared, center_rewards_coefficient=config.center_rewards_coefficient),
            train_dataset=train_rows,
            eval_dataset=eval_rows,
            processing_class=tokenizer,
            peft_config=lora_config(model, config, TaskType.SEQ_CLS),
        )

    result = fit(attempt, config, checkpoints, build)
    summary = TrainingSummary(base, len(train_rows), len(eval_rows or []))
    return finish(attempt, config, result, tokenizer, summary)


class EncodedRewardTrainer(SettingsKeepingTrainer, RewardTrainer):
    """Saves the model with its own settings; RewardTrainer takes rows that are tokens as they are."""


def _encode(attempt: Attempt, config: RewardConfig, encoder: Encoder, data: Data) -> Dataset:
    counts = RowCounts()
    encoded = write_rows(attempt, data.name, SCHEMA, _rows(config, encoder, data, counts))
    report_dropped_rows(attempt, counts, data)
    return encoded


def _rows(config: RewardConfig, encoder: Encoder, data: Data, counts: RowCounts) -> Iterator[Encoded]:
    for row in iter_preferences(data.path, data.entry):
        if not row.is_trainable:
            counts.drop(NOTHING_TO_LEARN)
            continue
        try:
            prompt, chosen = encoder.scored(row.prompt, row.chosen, row.tools)
            _, rejected = encoder.scored(row.prompt, row.rejected, row.tools)
        except RowNotEncodable as error:
            counts.drop(str(error))
            continue
        room = config.max_length - len(prompt)
        if room <= 0 or chosen[:room] == rejected[:room]:
            counts.drop(CUT_AWAY)
            continue
        counts.cut(len(chosen) - room, len(rejected) - room)
        counts.kept += 1
        yield {"chosen_ids": [*prompt, *chosen[:room]], "rejected_ids": [*prompt, *rejected[:room]]}
