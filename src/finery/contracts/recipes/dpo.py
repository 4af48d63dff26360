"""The recipe `dpo`: direct preference optimisation."""

from typing import Annotated, Literal

from pydantic import Field

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes.base import Rate, TrainingConfig
from finery.contracts.recipes.data_rules import ExampleKind, TokenRules
from finery.contracts.recipes.recipe import Recipe


class DpoConfig(TrainingConfig):
    """Direct preference optimisation."""

    num_epochs: Annotated[float, Field(gt=0.0, le=10_000.0, allow_inf_nan=False)] = 1.0
    learning_rate: Rate = 5e-7
    beta: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 0.1
    """How strongly the model is held to the base model; lower values let it go further away."""
    loss_type: Literal["sigmoid", "hinge", "ipo", "robust"] = "sigmoid"
    """The loss on the margin between the two answers: that of DPO, SLiC, IPO or robust DPO."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=0.5, allow_inf_nan=False)] = 0.0
    """The share of pairs that is taken to be labelled the wrong way round."""


DPO = Recipe(
    name="dpo",
    title="direct preference optimisation",
    config=DpoConfig,
    trainer="finery.trainers.dpo:train",
    examples=ExampleKind.PREFERENCE,
    tokens=TokenRules(same_prompt=True),
    footprint=lambda config: Footprint(sequences=2, has_reference=True),
    learning_rate_factor=1 / 20,
)
