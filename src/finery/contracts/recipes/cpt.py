"""The recipe `cpt`: continued pre-training on plain text."""

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes.base import TrainingConfig
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules
from finery.contracts.recipes.recipe import Recipe


class CptConfig(TrainingConfig):
    """Continued pre-training on plain text."""

    packing: bool = True
    """Whether several rows share one sequence of max_length; position ids keep them apart."""


CPT = Recipe(
    name="cpt",
    title="continued pre-training",
    config=CptConfig,
    trainer="finery.trainers.cpt:train",
    examples=ExampleKind.TEXT,
    tokens=TokenRules(in_pieces=True),
    footprint=lambda config: Footprint(is_packed=config.packing),
)
