"""The recipe `reward`: reward models."""

from typing import Annotated, Literal

from pydantic import Field

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes.base import TrainingConfig
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules
from finery.contracts.recipes.recipe import Recipe


class RewardConfig(TrainingConfig):
    """A reward model from preference rows: one score per answer."""

    num_epochs: Annotated[float, Field(gt=0.0, le=10_000.0, allow_inf_nan=False)] = 1.0
    parity_check: Literal[False] = False
    """Always off: a reward model generates no answers to compare."""
    center_rewards_coefficient: Annotated[float, Field(ge=0.0, le=10.0, allow_inf_nan=False)] | None = None
    """The weight of a term that keeps the scores around 0; absent: none."""


REWARD = Recipe(
    name="reward",
    title="reward modelling",
    config=RewardConfig,
    trainer="finery.trainers.reward:train",
    examples=ExampleKind.PREFERENCE,
    tokens=TokenRules(to_the_end=True),
    footprint=lambda config: Footprint(sequences=2, has_logits=False),
    generates=False,
)
