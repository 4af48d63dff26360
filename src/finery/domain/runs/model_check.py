"""Refuses settings that the base cannot honour, as far as its files tell before it is loaded."""

from collections.abc import Iterator

from finery.contracts.builtin_models import BUILTIN_MODELS, BUILTIN_TENSORS
from finery.contracts.lora_targets import ALL_LINEAR, HEADS, Shapes, misfits, module_of, target_names
from finery.contracts.model_folder import local_folder, longest_input, text_config, whole_model
from finery.contracts.recipes import Recipe, TrainingConfig
from finery.domain.errors import Issue
from finery.domain.runs.auto_values import tokens_of
from finery.domain.runs.errors import InvalidRun
from finery.kit.translatable import Translatable
from finery.kit.weights import WeightsRefused, tensor_shapes


def longest_input_of(model: str) -> int | None:
    """Return the most tokens that the model takes at once; None where it has no bound, or no local file tells it."""
    return tokens_of(model, longest_input)


def check_model(config: TrainingConfig, *, recipe: Recipe, model: str) -> None:
    """Check a configuration against the resolved model; one whose files are not here is checked by the trainer.

    Raises InvalidRun for a max_length beyond the model's positions, and for LoRA targets that it does not have.
    """
    issues = [*_too_long(config, model), *(_bad_targets(config, recipe, model) if config.use_lora else ())]
    if issues:
        raise InvalidRun(issues)


def _too_long(config: TrainingConfig, model: str) -> Iterator[Issue]:
    longest = longest_input_of(model)
    if longest is not None and config.max_length > longest:
        message = Translatable(
            "{max_length} is more than the {longest} tokens that the model takes; choose {longest} or less",
            max_length=config.max_length,
            longest=longest,
        )
        yield Issue("max_length", message)


def _bad_targets(config: TrainingConfig, recipe: Recipe, model: str) -> Iterator[Issue]:
    names = target_names(config.lora_target_modules)
    if not names:
        yield Issue(
            "lora_target_modules",
            Translatable(
                "it names nothing; choose {all_linear!r}, or names of the model's modules", all_linear=ALL_LINEAR
            ),
        )
    if names == [ALL_LINEAR] or not (found := _layers(model)):
        return
    shapes, tied, model_type = found
    generates = recipe.generates
    for message in misfits(
        names, shapes, tied=tied and generates, has_head=generates, model_type=model_type, from_files=True
    ):
        yield Issue("lora_target_modules", message)


def _layers(model: str) -> tuple[Shapes, bool, str | None] | None:
    """Return the shapes of the model's tensors, whether its head is its embedding, and its `model_type`.

    None where its files are not here.
    """
    model = whole_model(model, local_folder)
    if model in BUILTIN_MODELS:
        return BUILTIN_TENSORS, True, None
    folder = local_folder(model)
    if folder is None:
        return None
    try:
        shapes = tensor_shapes(folder)
    except (OSError, WeightsRefused):
        return None
    modules = {module_of(tensor).rpartition(".")[2] for tensor in shapes}
    config = text_config(folder)
    is_tied = bool(config.get("tie_word_embeddings", not HEADS & modules))
    return (shapes, is_tied, config.get("model_type")) if shapes else None
