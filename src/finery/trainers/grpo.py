"""Trainer of the recipe `grpo`: group relative policy optimisation (Shao et al. 2024) with graders as rewards."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow
import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from finery.contracts.datasets import iter_tasks
from finery.contracts.graders import item_paths, judges_of, templates_of
from finery.contracts.graders.templates import FieldMissing, look_up
from finery.contracts.inputs import ModelInput, inputs_of
from finery.contracts.process import Outcome
from finery.contracts.recipes import GrpoConfig
from finery.trainers.arguments import BatchShape, training_arguments
from finery.trainers.attempt import Attempt
from finery.trainers.checkpoints import Checkpoints
from finery.trainers.encoding import Encoded, Encoder
from finery.trainers.errors import TrainingRefused
from finery.trainers.finalization import TrainingSummary, finish
from finery.trainers.graders.grading import Grading
from finery.trainers.graders.judge import load_judge
from finery.trainers.graders.python import ProgramNotStarted
from finery.trainers.graders.rewards import Rewards
from finery.trainers.loading import computes_in_bf16, load_causal_model, load_tokenizer, prepare_base, within_context
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

SCHEMA = {"prompt": pyarrow.list_(pyarrow.int32()), "question": pyarrow.string(), "item": pyarrow.string()}


def train(attempt: Attempt) -> Outcome:
    config = GrpoConfig.model_validate(attempt.spec.config)
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
    _refuse_too_few(attempt, config, train_rows)

    checkpoints = Checkpoints(attempt, keep=config.save_total_limit)
    bf16 = computes_in_bf16(base, attempt, config)
    grading = _open_grading(attempt, config)
    rewards = Rewards(attempt, config, grading)

    def build(shape: BatchShape) -> "EncodedGrpoTrainer":
        model = load_causal_model(base, attempt, config)
        name_stop_tokens(model, encoder.stop_tokens)
        rewards.set_model(model)
        # `batch_size` counts prompts; TRL counts their answers.
        answers = BatchShape(shape.size * config.n_generations, shape.accumulation)
        shared = training_arguments(attempt, config, checkpoints, answers, evaluates=eval_rows is not None, bf16=bf16)
        del shared["max_length"]
        return EncodedGrpoTrainer(
            model=model,
            reward_funcs=rewards.of_answers,
            args=GRPOConfig(
                **{**shared, "per_device_eval_batch_size": shape.size * config.eval_generations},
                num_generations=config.n_generations,
                num_generations_eval=config.eval_generations,
                max_completion_length=config.max_completion_length,
                temperature=config.temperature,
                top_p=config.top_p,
                beta=config.beta,
                # Answers are generated pass by pass, so that accumulation saves the memory of generation, too.
                steps_per_generation=1,
            ),
            train_dataset=train_rows,
            eval_dataset=eval_rows,
            processing_class=tokenizer,
            peft_config=lora_config(model, config),
        )

    try:
        result = fit(attempt, config, checkpoints, build)
    finally:
        grading.close()
    rewards.report_issues()
    summary = TrainingSummary(base, len(train_rows), len(eval_rows or []), tuple(encoder.parity_prompts))
    return finish(attempt, config, result, tokenizer, summary)


class EncodedGrpoTrainer(RouterLossApart, SettingsKeepingTrainer, GRPOTrainer):
    """Takes prompts that are tokens already: TRL would render and tokenize them once more."""

    def _tokenize_prompts(self, prompts: list[list[int]]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return prompts, None, {}


def _encode(attempt: Attempt, config: GrpoConfig, encoder: Encoder, data: Data) -> Dataset:
    counts = RowCounts()
    encoded = write_rows(attempt, data.name, SCHEMA, _rows(config, encoder, data, counts))
    report_dropped_rows(attempt, counts, data)
    return encoded


def _rows(config: GrpoConfig, encoder: Encoder, data: Data, counts: RowCounts) -> Iterator[Encoded]:
    room = config.max_length - config.max_completion_length
    needed = item_paths(templates_of(config.grader))
    for row in iter_tasks(data.path, data.entry):
        if not row.is_trainable:
            counts.drop(NOTHING_TO_LEARN)
            continue
        try:
            prompt = encoder.prompt(row.prompt, row.tools)
            for path in needed:
                look_up(path, {"item": row.item})
        except RowNotEncodable as error:
            counts.drop(str(error))
            continue
        except FieldMissing as error:
            counts.drop(f"the grader's {error}")
            continue
        if len(prompt) > room:
            counts.drop(CUT_AWAY)
            continue
        counts.kept += 1
        yield {"prompt": prompt, "question": row.prompt[-1].text, "item": json.dumps(row.item)}


def _refuse_too_few(attempt: Attempt, config: GrpoConfig, rows: Dataset) -> None:
    """Raises TrainingRefused: TRL drops a batch that is not full, and with it all of a dataset that fills none."""
    needed = config.batch_size * attempt.processes
    if len(rows) < needed:
        raise TrainingRefused(
            f"batch_size {config.batch_size}: {len(rows)} rows do not fill a batch of {needed}", field="batch_size"
        )


def _open_grading(attempt: Attempt, config: GrpoConfig) -> Grading:
    declared = [model for model in inputs_of(config) if isinstance(model.kind, ModelInput)]
    models = {model.name: attempt.spec.models[model.field] for model in declared}
    judges = {}
    for name in judges_of(config.grader):
        attempt.stage("loading_model", f"loading the judge {name}")
        judges[name] = load_judge(models[name], attempt)
    try:
        return Grading(config.grader, judges)
    except ProgramNotStarted as error:
        raise TrainingRefused(f"grader: {error}", field="grader") from error
