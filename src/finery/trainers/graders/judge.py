"""The judge of a `score_model` grader: a frozen model beside the one that is trained."""

from collections.abc import Sequence
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.chat_prompts import fallback_template
from finery.contracts.graders import ScoreModelGrader
from finery.contracts.model_folder import is_adapter
from finery.trainers.attempt import Attempt
from finery.trainers.builtin import ensure_builtin
from finery.trainers.errors import TrainingRefused, is_disk_full
from finery.trainers.loading import base_of_adapter, refuse_pickles
from finery.trainers.rendering import Renderer, RowNotEncodable, prompts_of

ROWS_AT_ONCE = 16


class ModelJudge:
    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model = model
        self._tokenizer = tokenizer

    def answers(self, conversations: Sequence[list[dict[str, str]]], grader: ScoreModelGrader) -> list[str]:
        """Returns the same answers for the same conversations: they are sampled with the grader's own seed, and the
        training's random state is left as it was.
        """
        prompts = [self._prompt(messages) for messages in conversations]
        devices = [self._model.device] if self._model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(grader.sampling_params.seed)
            return [
                answer
                for start in range(0, len(prompts), ROWS_AT_ONCE)
                for answer in self._answers(prompts[start : start + ROWS_AT_ONCE], grader)
            ]

    def _prompt(self, messages: list[dict[str, str]]) -> str:
        """Raises TrainingRefused."""
        try:
            return Renderer(prompts_of(self._tokenizer)).text(messages, None, prompt=True)
        except RowNotEncodable as error:
            raise TrainingRefused(f"grader: {error}", field="grader") from error

    def _answers(self, prompts: list[str], grader: ScoreModelGrader) -> list[str]:
        sampling = grader.sampling_params
        drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p} if sampling.temperature > 0 else {}
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        inputs = inputs.to(self._model.device)
        tokens = self._model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            generation_config=GenerationConfig(
                max_new_tokens=sampling.max_completions_tokens,
                do_sample=sampling.temperature > 0,
                eos_token_id=self._model.generation_config.eos_token_id or self._tokenizer.eos_token_id,
                pad_token_id=self._tokenizer.pad_token_id,
                **drawn,
            ),
        )
        answers = tokens[:, inputs["input_ids"].shape[1] :]
        return list(self._tokenizer.batch_decode(answers, skip_special_tokens=True))


def load_judge(name: str, attempt: Attempt) -> ModelJudge:
    """Loads a judge. `name` is a built-in model, an absolute folder or a hub id. Raises TrainingRefused."""
    source = str(ensure_builtin(name, attempt.spec.models_cache)) if name in BUILTIN_MODELS else name
    folder = Path(source)
    if folder.is_absolute():
        if not folder.is_dir():
            raise TrainingRefused(f"grader: there is no model folder {folder}", field="grader")
        refuse_pickles(folder)
    try:
        model, tokenizer = _loaded(source), AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        if is_disk_full(error):
            raise
        raise TrainingRefused(
            f"grader: the model {name} cannot be loaded: {str(error).splitlines()[0]}", field="grader"
        ) from error
    # A batch is generated from its right end on.
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.chat_template = tokenizer.chat_template or fallback_template(tokenizer)
    return ModelJudge(model.eval().to("cuda" if attempt.spec.gpus else "cpu"), tokenizer)


def _loaded(source: str) -> PreTrainedModel:
    adapter = Path(source) if Path(source).is_absolute() and is_adapter(Path(source)) else None
    base = base_of_adapter(adapter) if adapter else source
    model = AutoModelForCausalLM.from_pretrained(base, use_safetensors=True, trust_remote_code=False, dtype="auto")
    return model if adapter is None else PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
