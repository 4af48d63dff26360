"""The recipes and their typed configurations."""

from finery.contracts.recipes.base import RecipeConfig, TrainingConfig, may_start_again
from finery.contracts.recipes.command import CommandConfig
from finery.contracts.recipes.grpo import GrpoConfig
from finery.contracts.recipes.language import CptConfig, DpoConfig, KtoConfig, RewardConfig, SftConfig
from finery.contracts.recipes.requirements import unmet

RECIPES: dict[str, type[RecipeConfig]] = {
    "sft": SftConfig,
    "dpo": DpoConfig,
    "cpt": CptConfig,
    "reward": RewardConfig,
    "kto": KtoConfig,
    "grpo": GrpoConfig,
    "command": CommandConfig,
}

__all__ = [
    "RECIPES",
    "CommandConfig",
    "CptConfig",
    "DpoConfig",
    "GrpoConfig",
    "KtoConfig",
    "RecipeConfig",
    "RewardConfig",
    "SftConfig",
    "TrainingConfig",
    "may_start_again",
    "unmet",
]
