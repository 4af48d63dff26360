"""The recipe `sft`: supervised fine-tuning."""

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes.base import TrainingConfig
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules
from finery.contracts.recipes.recipe import Recipe


class SftConfig(TrainingConfig):
    """Supervised fine-tuning on conversations, instructions, prompt-completion pairs or text."""

    packing: bool = False
    """Whether several rows share one sequence of max_length; position ids keep them apart."""
    completion_only_loss: bool = True
    """Whether only answers are learned, not prompts. Plain `text` rows have no prompt and are learned whole."""


SFT = Recipe(
    name="sft",
    title="supervised fine-tuning",
    config=SftConfig,
    trainer="finery.trainers.sft:train",
    examples=ExampleKind.CONVERSATION_OR_TEXT,
    tokens=TokenRules(),
    footprint=lambda config: Footprint(is_packed=config.packing),
)
