"""The recipe `kto`: Kahneman-Tversky optimisation."""

from typing import Annotated

from pydantic import Field

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes.base import Rate, TrainingConfig
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules
from finery.contracts.recipes.recipe import Recipe


class KtoConfig(TrainingConfig):
    """Kahneman-Tversky optimisation on answers labelled good or bad."""

    num_epochs: Annotated[float, Field(gt=0.0, le=10_000.0, allow_inf_nan=False)] = 1.0
    learning_rate: Rate = 5e-7
    beta: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 0.1
    """How strongly the model is held to the base model; lower values let it go further away."""
    desirable_weight: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 1.0
    """The weight of the loss of good answers; raise it where they are fewer than the bad ones."""
    undesirable_weight: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 1.0
    """The weight of the loss of bad answers."""


KTO = Recipe(
    name="kto",
    title="Kahneman-Tversky optimisation",
    config=KtoConfig,
    trainer="finery.trainers.kto:train",
    examples=ExampleKind.FEEDBACK,
    tokens=TokenRules(),
    # Each row is also computed with another row's answer, for the KL term.
    footprint=lambda config: Footprint(sequences=2, has_reference=True),
    learning_rate_factor=1 / 20,
)
