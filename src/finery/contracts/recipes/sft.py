"""Supervised fine-tuning."""

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes.base import TrainingConfig
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules
from finery.contracts.recipes.recipe import Recipe


class SftConfig(TrainingConfig):
    """Supervised fine-tuning on conversations, instructions, prompt-completion pairs or text."""

    packing: bool = False
    """Several rows to one sequence of max_length, kept apart by position ids."""
    completion_only_loss: bool = True
    """Learn the answers only, not the prompts. Plain `text` rows have no prompt and are learned whole."""


def _footprint(config: SftConfig) -> Footprint:
    return Footprint(is_packed=config.packing)


SFT = Recipe(
    name="sft",
    title="supervised fine-tuning",
    config=SftConfig,
    trainer="finery.trainers.sft:train",
    examples=ExampleKind.CONVERSATION_OR_TEXT,
    tokens=TokenRules(),
    footprint=_footprint,
)
