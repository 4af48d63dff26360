"""Chooses what LoRA adapts in a loaded model, with its experts and without its routers, and tells it.

PEFT's own `all-linear` misses experts that are fused into one parameter, and takes a router for a linear layer.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from peft import LoraConfig, TaskType
from peft.tuners.lora import ParamWrapper
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from finery.contracts.lora_targets import (
    ALL_LINEAR,
    FUSED,
    ROUTERS,
    STATE_SPACE_TYPES,
    is_read_by_kernels,
    misfits,
    target_names,
)
from finery.contracts.recipes import TrainingConfig
from finery.trainers.attempt import Attempt
from finery.trainers.errors import TrainingRefused

LINEAR = (nn.Linear, Conv1D)
ADAPTABLE = (*LINEAR, nn.Embedding, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""Classes of modules that PEFT wraps. What else has matrices is adapted parameter by parameter."""
SCORES = ("score", "classifier")
"""How PEFT calls the heads of reward models, which it trains in full."""
EXPERT = "expert"
"""Stands in the name of each class of fused experts."""
RENAMED = frozenset({*FUSED, "gate"})
"""Names that PEFT takes for those of experts' and routers' files in a mixture, also where they are linear layers."""


def lora_config(
    model: PreTrainedModel, config: TrainingConfig, task: TaskType = TaskType.CAUSAL_LM
) -> LoraConfig | None:
    """Returns None for a full fine-tuning.

    Raises TrainingRefused for targets that the model does not have or that LoRA cannot adapt.
    """
    if not config.use_lora:
        return None
    names = target_names(config.lora_target_modules)
    _refuse_misfits(model, names)
    parameters, has_experts = _parameters(model, names), _has_experts(model)
    modules: str | list[str] = _modules(model, names)
    if not has_experts and names == [ALL_LINEAR] and model.config.model_type not in STATE_SPACE_TYPES:
        modules = ALL_LINEAR
    elif not has_experts and ALL_LINEAR not in names:
        modules = names
    elif not (config.load_in_4bit or config.load_in_8bit):
        parameters += [f"{path}.weight" for path in modules if path.rpartition(".")[2] in RENAMED]
        modules = [path for path in modules if path.rpartition(".")[2] not in RENAMED]
    if parameters and config.lora_dropout:
        raise TrainingRefused(
            f"lora_dropout: {parameters[0]} is adapted as one parameter, which takes no dropout; set it to 0, "
            "or name other lora_target_modules",
            field="lora_dropout",
        )
    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=modules,
        target_parameters=parameters or None,
        # GPT-2's Conv1D stores its weights transposed.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type=task,
    )


def adapted_modules(model: nn.Module) -> dict[str, int]:
    """Returns the last part of the name of each module or parameter that an adapter changes, and how many there are."""
    names = (
        module.parameter_name
        if isinstance(module, ParamWrapper) and module.parameter_name != "weight"
        else path.rpartition(".")[2]
        for path, module in model.named_modules()
        if isinstance(module, BaseTunerLayer)
    )
    return dict(sorted(Counter(names).items()))


def tell_targets(attempt: Attempt, model: nn.Module) -> None:
    """Reports what the adapter changes."""
    targets = adapted_modules(model)
    listed = ", ".join(f"{count} × {name}" for name, count in targets.items())
    attempt.reporter.notice("lora_targets", f"the adapter changes {listed}", level="info", targets=targets)


def _refuse_misfits(model: PreTrainedModel, names: list[str]) -> None:
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters(remove_duplicate=False)}
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    tied = head is not None and head.weight is embedding.weight
    problems = list(misfits(names, shapes, tied=tied, model_type=model.config.model_type))
    if not names or problems:
        raise TrainingRefused(
            f"lora_target_modules: {problems[0] if problems else 'it names nothing'}", field="lora_target_modules"
        )


def _modules(model: PreTrainedModel, names: list[str]) -> list[str]:
    """Returns the paths of the modules that are adapted as such."""
    head, routers = model.get_output_embeddings(), _routers(model)

    def is_wanted(path: str, module: nn.Module) -> bool:
        if _is_named(path, names):
            return isinstance(module, ADAPTABLE)
        is_left_out = module is head or path in routers or is_read_by_kernels(path, model.config.model_type)
        is_linear = isinstance(module, LINEAR) and not is_left_out
        return ALL_LINEAR in names and is_linear and not path.startswith(SCORES)

    return [path for path, module in model.named_modules() if is_wanted(path, module)]


def _parameters(model: PreTrainedModel, names: list[str]) -> list[str]:
    """Returns the paths of the parameters that are adapted as such: fused experts, and a router that was asked for and
    is no linear layer.
    """

    def is_wanted(path: str, module: nn.Module, name: str, parameter: nn.Parameter) -> bool:
        if parameter.dim() == 3 and EXPERT in type(module).__name__.lower():
            return ALL_LINEAR in names or any(_is_named(alias, names) for alias in _aliases(path, name))
        return parameter.dim() == 2 and name == "weight" and _is_named(path, names)

    return [
        f"{path}.{name}"
        for path, module in model.named_modules()
        if not isinstance(module, ADAPTABLE)
        for name, parameter in module.named_parameters(recurse=False)
        if is_wanted(path, module, name, parameter)
    ]


def _aliases(path: str, name: str) -> Iterator[str]:
    """Yields the names that mean a fused parameter: its own, its module's, and those of a single expert's matrices."""
    yield f"{path}.{name}"
    if name == "weight":
        yield path
    yield from (f"{path}.{single}" for single, fused in FUSED.items() if fused == name)


def _has_experts(model: PreTrainedModel) -> bool:
    return any(EXPERT in name for name, _ in model.named_parameters())


def _routers(model: PreTrainedModel) -> frozenset[str]:
    """Returns the paths of the linear layers that are routers: those with a router's name beside experts."""
    return frozenset(
        path
        for parent, module in model.named_modules()
        if any(EXPERT in type(part).__name__.lower() for part in module.children())
        for name, child in module.named_children()
        if name in ROUTERS
        for path, inner in child.named_modules(prefix=f"{parent}.{name}")
        if isinstance(inner, LINEAR)
    )


def _is_named(path: str, names: Iterable[str]) -> bool:
    return any(path == name or path.endswith(f".{name}") for name in names)
