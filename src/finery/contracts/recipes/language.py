"""The configurations of the language-model recipes."""

from typing import Annotated, Literal

from pydantic import Field

from finery.contracts.recipes.base import Rate, TrainingConfig


class SftConfig(TrainingConfig):
    """Supervised fine-tuning on conversations, instructions, prompt-completion pairs or text."""

    packing: bool = False
    """Several rows to one sequence of max_length, kept apart by position ids."""
    completion_only_loss: bool = True
    """Learn the answers only, not the prompts. Plain `text` rows have no prompt and are learned whole."""


class CptConfig(TrainingConfig):
    """Continued pre-training on plain text."""

    packing: bool = True


class DpoConfig(TrainingConfig):
    """Direct preference optimisation."""

    num_epochs: Annotated[float, Field(gt=0.0, le=10_000.0, allow_inf_nan=False)] = 1.0
    learning_rate: Rate = 5e-7
    beta: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 0.1
    loss_type: Literal["sigmoid", "hinge", "ipo", "robust"] = "sigmoid"
    label_smoothing: Annotated[float, Field(ge=0.0, lt=0.5, allow_inf_nan=False)] = 0.0


class RewardConfig(TrainingConfig):
    """A reward model from preference rows: one score per answer."""

    num_epochs: Annotated[float, Field(gt=0.0, le=10_000.0, allow_inf_nan=False)] = 1.0
    parity_check: Literal[False] = False
    """A reward model scores answers and gives none."""
    center_rewards_coefficient: Annotated[float, Field(ge=0.0, le=10.0, allow_inf_nan=False)] | None = None


class KtoConfig(TrainingConfig):
    """Kahneman-Tversky optimisation on answers labelled good or bad."""

    num_epochs: Annotated[float, Field(gt=0.0, le=10_000.0, allow_inf_nan=False)] = 1.0
    learning_rate: Rate = 5e-7
    beta: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 0.1
    desirable_weight: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 1.0
    undesirable_weight: Annotated[float, Field(gt=0.0, le=100.0, allow_inf_nan=False)] = 1.0
