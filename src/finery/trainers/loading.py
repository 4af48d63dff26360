"""Loads base models and tokenizers for training: from safetensors only, without a repository's own code."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from peft import PeftModel
from pydantic import ValidationError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from finery.contracts.builtin_models import BUILTIN_MODELS
from finery.contracts.chat_prompts import fallback_template
from finery.contracts.layout import RunDirectory
from finery.contracts.model_folder import (
    ADAPTER_CONFIG,
    OTHER_BASE,
    base_has_changed,
    base_of,
    is_adapter,
    local_folder,
    longest_input,
    text_config,
    vocabulary_size,
    whole_model,
)
from finery.contracts.recipes import TrainingConfig, missing_requirements
from finery.contracts.recipes.base import MODEL
from finery.kit.field_errors import sentence_of
from finery.trainers.attempt import Attempt
from finery.trainers.builtin import ensure_builtin
from finery.trainers.checkpoints import sync_tree
from finery.trainers.errors import ModelMisfit, TrainingRefused, is_disk_full
from finery.trainers.resume_checks import refuse_changed_base
from finery.trainers.weight_dtypes import WeightDtypes

PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
Config = TypeVar("Config", bound=TrainingConfig)
SMALL_PARAMETERS = 50_000_000
"""Smaller models train slower in bf16 than in fp32 on a CPU (measured: 1.08 × the time), by the casts."""


def prepare_base(attempt: Attempt, config: TrainingConfig) -> str:
    """Returns a folder or hub id of a plain model: makes built-in models, and merges adapters into their base.

    Raises TrainingRefused, also for what this machine lacks.
    """
    for field, message in missing_requirements(config, has_gpu=bool(attempt.spec.gpus)):
        raise TrainingRefused(f"{field}: {message}", field=field)
    base = _loadable_base(attempt)
    if config.use_lora:
        refuse_changed_base(attempt, base)
    return base


def _loadable_base(attempt: Attempt) -> str:
    model = attempt.spec.models[MODEL]
    if model in BUILTIN_MODELS:
        return str(ensure_builtin(model, attempt.spec.models_cache, report=partial(attempt.stage, "loading_model")))
    folder = Path(model)
    if not folder.is_absolute():
        return model
    if not folder.is_dir():
        raise TrainingRefused(f"there is no model folder {folder}", field=MODEL)
    refuse_pickles(folder)
    return str(_merged_base(attempt, folder)) if is_adapter(folder) else model


def refuse_pickles(folder: Path) -> None:
    """Raises TrainingRefused for a folder without safetensors: unpickling runs whatever code the file holds."""
    weights = "adapter_model.safetensors" if is_adapter(folder) else "*.safetensors"
    if any(folder.glob(weights)):
        return
    pickled = sorted(path.name for path in folder.iterdir() if path.name.endswith(PICKLED_SUFFIXES))
    if pickled:
        raise TrainingRefused(
            f"{folder} holds pickled weights ({pickled[0]}), which can run any code when they are loaded; "
            "convert them to safetensors",
            field=MODEL,
        )
    raise TrainingRefused(f"{folder} holds no *.safetensors, so it is no model", field=MODEL)


def within_context(attempt: Attempt, config: Config, base: str) -> Config:
    """Returns the configuration with a max_length that the base takes: a default that is too long becomes its own.

    A submission has done the same where the base's files were here. Raises TrainingRefused for another max_length that
    is too long, but lets go on what an earlier version began.
    """
    try:
        loaded = AutoConfig.from_pretrained(base, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _not_loadable(base, error) from error
    longest = longest_input(loaded.get_text_config().to_dict())
    if longest is None or config.max_length <= longest:
        return config
    if config.max_length != type(config).model_fields["max_length"].default:
        if attempt.run.last_checkpoint() is not None:
            return config
        takes = f"more than the {longest} tokens that the model takes"
        raise TrainingRefused(
            f"max_length: {config.max_length} is {takes}; choose {longest} or less", field="max_length"
        )
    attempt.reporter.notice("automatic", f"chosen automatically: max_length {longest}", level="info")
    try:
        # Without the other defaults, some of which depend on it.
        return type(config).model_validate({**config.model_dump(exclude_defaults=True), "max_length": longest})
    except ValidationError as error:
        raise TrainingRefused(f"max_length {longest}: {sentence_of(error.errors()[0])}", field="max_length") from error


def load_tokenizer(base: str, chat_template: str | None) -> PreTrainedTokenizerBase:
    """Returns the tokenizer with a padding token and a chat template: the given one, its own or a plain fallback.

    Raises TrainingRefused.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _not_loadable(base, error) from error
    _refuse_larger_than_embedding(tokenizer, base)
    if tokenizer.eos_token is None:
        raise TrainingRefused(
            f"the tokenizer of {base} names no end-of-text token, so no answer could be ended", field=MODEL
        )
    if tokenizer.pad_token is None:
        # The collators mask padding by length, not by its id, so that the end-of-text token is still learned.
        tokenizer.pad_token = tokenizer.eos_token
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    elif tokenizer.chat_template is None:
        tokenizer.chat_template = fallback_template(tokenizer)
    return tokenizer


def load_causal_model(base: str, attempt: Attempt, config: TrainingConfig) -> PreTrainedModel:
    """Returns the language model as far as it has been trained.

    Raises TrainingRefused when there is none, or none in safetensors.
    """
    return _load_causal_model(_trained_so_far(base, attempt, config), base, attempt, config)


def load_reference_model(base: str, attempt: Attempt, config: TrainingConfig) -> PreTrainedModel:
    """Returns the language model as it was before its training. Raises TrainingRefused likewise."""
    return _load_causal_model(base, base, attempt, config)


def _load_causal_model(source: str, base: str, attempt: Attempt, config: TrainingConfig) -> PreTrainedModel:
    try:
        model = AutoModelForCausalLM.from_pretrained(source, **_loading_options(base, attempt, config))
    except OSError as error:
        raise _not_loadable(base, error) from error
    refuse_weights_not_finite(model, base)
    # GRPO's trainer loads its reference by this name: the base, not a checkpoint.
    model.config.name_or_path = base
    return model


def load_reward_model(base: str, attempt: Attempt, config: TrainingConfig) -> PreTrainedModel:
    """Returns the base with a head of one score in place of its vocabulary, as far as it has been trained.

    Raises TrainingRefused likewise.
    """
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            _trained_so_far(base, attempt, config), num_labels=1, **_loading_options(base, attempt, config)
        )
    except OSError as error:
        raise _not_loadable(base, error) from error
    refuse_weights_not_finite(model, base)
    return model


def refuse_weights_not_finite(model: PreTrainedModel, base: str) -> None:
    """Raises TrainingRefused for a weight that is no number or infinite: the first loss would be none either, and be
    taken for a training that diverged."""
    for name, weight in model.named_parameters():
        # The sum of half-precision weights may overflow, so that only then each is looked at.
        if weight.is_floating_point() and not weight.sum().isfinite() and not weight.isfinite().all():
            raise TrainingRefused(
                f"the weights of {base} hold values that are no numbers ({name}), so nothing can be trained from them; "
                "fetch or save the model again",
                field=MODEL,
            )


def _trained_so_far(base: str, attempt: Attempt, config: TrainingConfig) -> str:
    """Returns the last checkpoint of a model that is trained as a whole, else the base.

    Trainer goes on from a checkpoint by the names in its files and skips what it does not find. The experts of a
    mixture have other names in files than in memory, so that it would go on with those of the base.
    """
    checkpoint = None if config.use_lora else attempt.run.last_checkpoint()
    return base if checkpoint is None else str(checkpoint)


def computes_in_bf16(base: str, attempt: Attempt, config: TrainingConfig) -> bool:
    """Returns whether to compute in bf16. Raises TrainingRefused when the GPU is missing or lacks the precision."""
    on_gpu = bool(attempt.spec.gpus)
    if on_gpu and not torch.cuda.is_available():
        raise TrainingRefused("this run was given a GPU, but the installed torch sees none")
    has_instructions = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    able = torch.cuda.is_bf16_supported() if on_gpu else has_instructions
    if config.precision == "bf16" and not able:
        raise TrainingRefused(
            "precision bf16: this machine's processor does not compute in it; choose fp32", field="precision"
        )
    if config.precision != "auto":
        return config.precision == "bf16"
    return able and (on_gpu or _parameter_count(base) >= SMALL_PARAMETERS)


def _not_loadable(base: str, error: OSError | ValueError) -> Exception:
    """Returns the error to raise: of what `from_pretrained` says, the further lines advise what Finery refuses."""
    if is_disk_full(error):
        return error
    return TrainingRefused(f"the model {base} cannot be loaded: {str(error).splitlines()[0]}", field=MODEL)


def _refuse_larger_than_embedding(tokenizer: PreTrainedTokenizerBase, base: str) -> None:
    """Raises TrainingRefused for a tokenizer with tokens that the model has no vector for."""
    folder = local_folder(whole_model(base, local_folder))
    size = None if folder is None else vocabulary_size(text_config(folder))
    last = max(tokenizer.get_vocab().values(), default=0)
    if size is not None and last >= size:
        raise ModelMisfit(
            f"the tokenizer has tokens up to number {last}, and the model's embedding only {size} rows; "
            "save the model after resize_token_embeddings(len(tokenizer)), or take out the tokens that were added"
        )


def _parameter_count(base: str) -> int:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base, trust_remote_code=False))
    return sum(parameter.numel() for parameter in model.parameters())


def _loading_options(base: str, attempt: Attempt, config: TrainingConfig) -> dict[str, Any]:
    options: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "dtype": torch.float32}
    if config.use_lora and (config.precision == "fp16" or computes_in_bf16(base, attempt, config)):
        # A frozen base needs no fp32 weights; the adapter's stay in fp32.
        options["dtype"] = torch.float16 if config.precision == "fp16" else torch.bfloat16
    if config.load_in_4bit or config.load_in_8bit:
        options["quantization_config"] = _quantization(config)
    return options


def _quantization(config: TrainingConfig) -> Any:
    from transformers import BitsAndBytesConfig

    if config.load_in_8bit:
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16,
    )


def _merged_base(attempt: Attempt, adapter: Path) -> Path:
    """Returns the folder of the base with the adapter merged in, which the run's other attempts use again."""
    merged = merged_base(attempt.run)
    if merged.exists():
        return merged
    attempt.stage("merging", f"merging the adapter {adapter} into its base")
    partial = attempt.run.path / f".base.{attempt.rank}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    base = base_of_adapter(adapter)
    model = AutoModelForCausalLM.from_pretrained(
        base, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
    )
    whole = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    WeightDtypes.of_base(base).apply(whole)
    whole.save_pretrained(partial)
    AutoTokenizer.from_pretrained(str(adapter), trust_remote_code=False).save_pretrained(partial)
    sync_tree(partial)
    if attempt.is_main:
        partial.rename(merged)
        return merged
    return partial


def merged_base(run: RunDirectory) -> Path:
    return run.path / "base"


def base_of_adapter(adapter: Path) -> str:
    """Returns the adapter's base, a folder or hub id. Raises TrainingRefused when it is gone, pickled or another."""
    base = base_of(adapter)
    if base is None:
        raise TrainingRefused(f"the adapter {adapter} names no base in its {ADAPTER_CONFIG}", field=MODEL)
    if base_has_changed(adapter, base):
        raise TrainingRefused(OTHER_BASE.format(adapter=adapter, base=base), field=MODEL)
    if not Path(base).is_absolute():
        return base
    if not Path(base).is_dir():
        raise TrainingRefused(f"the adapter {adapter} was trained on {base}, which is not there any more", field=MODEL)
    refuse_pickles(Path(base))
    return base
