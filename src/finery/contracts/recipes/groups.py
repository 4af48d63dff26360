"""Sorts the settings of recipes by theme, as a form shows them, and names their units."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    name: str
    title: str
    settings: tuple[str, ...] = ()


BASIC = Group(
    "basic",
    "The usual settings",
    (
        *("model_name", "dataset_path", "eval_dataset_path", "eval_split", "grader", "num_epochs", "batch_size"),
        *("learning_rate", "max_length", "use_lora", "argv", "working_directory"),
    ),
)
METHOD = Group("method", "The method's own settings")
"""What stands in no other group."""
GROUPS = (
    BASIC,
    METHOD,
    Group(
        "data",
        "Reading the data",
        ("dataset_name", "packing", "completion_only_loss", "chat_template", "split_special_tokens"),
    ),
    Group(
        "optimization",
        "Optimization",
        (
            *("max_steps", "gradient_accumulation_steps", "learning_rate_multiplier", "lr_scheduler", "warmup_ratio"),
            *("warmup_steps", "optimizer", "weight_decay", "max_grad_norm", "seed"),
        ),
    ),
    Group(
        "adapter",
        "Adapter (LoRA)",
        ("lora_rank", "lora_alpha", "lora_dropout", "lora_target_modules", "merge_adapter"),
    ),
    Group(
        "memory",
        "Precision and memory",
        ("precision", "gradient_checkpointing", "load_in_4bit", "load_in_8bit", "probe"),
    ),
    Group(
        "evaluation",
        "Evaluation and samples",
        (
            *("eval_steps", "eval_generations", "sample_prompts", "sample_max_new_tokens", "logging_steps"),
            "parity_check",
        ),
    ),
    Group("checkpoints", "Checkpoints", ("save_steps", "save_each_epoch", "save_total_limit")),
    Group(
        "tracking",
        "Experiment trackers",
        ("report_to", "tracker_project", "tracker_name", "tracker_entity", "tracker_tags"),
    ),
    Group("output", "Output and secrets", ("output_dir", "secrets", "trust_remote_code")),
)
UNITS = {
    "batch_size": "rows",
    "eval_split": "share of rows",
    "eval_steps": "steps",
    "gradient_accumulation_steps": "batches",
    "logging_steps": "steps",
    "lora_dropout": "share",
    "max_completion_length": "tokens",
    "max_length": "tokens",
    "max_steps": "steps",
    "n_generations": "answers",
    "num_epochs": "epochs",
    "sample_max_new_tokens": "tokens",
    "save_steps": "steps",
    "save_total_limit": "checkpoints",
    "warmup_ratio": "share of steps",
    "warmup_steps": "steps",
}
_GROUP_OF = {setting: group.name for group in GROUPS for setting in group.settings}


def group_of(setting: str) -> str:
    """Returns the name of the setting's group."""
    return _GROUP_OF.get(setting, METHOD.name)


def in_group(group: Group, settings: Iterable[str]) -> list[str]:
    """Returns those of the settings that are in the group, in its order."""
    found = [setting for setting in settings if group_of(setting) == group.name]
    order = {setting: place for place, setting in enumerate(group.settings)}
    return sorted(found, key=lambda setting: order.get(setting, len(order)))
