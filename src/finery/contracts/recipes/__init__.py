"""The registry of recipes; each has a module with its configuration and its descriptor."""

from finery.contracts.recipes.base import GradedConfig, RecipeConfig, TrainingConfig
from finery.contracts.recipes.command import COMMAND, CommandConfig
from finery.contracts.recipes.cpt import CPT, CptConfig
from finery.contracts.recipes.dpo import DPO, DpoConfig
from finery.contracts.recipes.grpo import GRPO, GrpoConfig
from finery.contracts.recipes.kto import KTO, KtoConfig
from finery.contracts.recipes.recipe import RECIPES, Recipe, recipe_of_run, register
from finery.contracts.recipes.requirements import missing_requirements
from finery.contracts.recipes.reward import REWARD, RewardConfig
from finery.contracts.recipes.sft import SFT, SftConfig

for recipe in (SFT, CPT, DPO, REWARD, KTO, GRPO, COMMAND):
    register(recipe)

__all__ = [
    "RECIPES",
    "CommandConfig",
    "CptConfig",
    "DpoConfig",
    "GradedConfig",
    "GrpoConfig",
    "KtoConfig",
    "Recipe",
    "RecipeConfig",
    "RewardConfig",
    "SftConfig",
    "TrainingConfig",
    "missing_requirements",
    "recipe_of_run",
    "register",
]
