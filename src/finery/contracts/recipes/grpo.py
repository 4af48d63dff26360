"""The recipe `grpo`: reinforcement fine-tuning with a grader."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from finery.contracts.memory_fit import Footprint
from finery.contracts.recipes.base import GradedConfig, Rate
from finery.contracts.recipes.data_rules import ExampleKind
from finery.contracts.recipes.recipe import Recipe

ANSWER_LENGTH = 256
"""The default of max_completion_length, where max_length has as much again for the prompt."""


class GrpoConfig(GradedConfig):
    """Group relative policy optimisation: the model answers each prompt several times, and learns from the answers
    that a grader scores above the others."""

    n_generations: Annotated[int, Field(ge=2, le=1024)] = 8
    """Answers per prompt, which are compared with each other."""
    max_completion_length: Annotated[int, Field(ge=1, le=131_072)] = ANSWER_LENGTH
    """Maximum tokens of an answer; by default half of max_length at most. A prompt may have the rest of max_length."""
    temperature: Annotated[float, Field(gt=0.0, le=10.0, allow_inf_nan=False)] = 1.0
    """The temperature at which answers are sampled."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)] = 1.0
    """Answers are sampled from the likeliest tokens that have this share of the probability together."""
    beta: Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)] = 0.0
    """The weight of the KL penalty. Above 0, full training also has the base model in memory."""
    eval_generations: Annotated[int, Field(ge=1, le=1024)] = 1
    """Answers per evaluation prompt."""

    num_epochs: Annotated[float, Field(gt=0.0, le=10_000.0, allow_inf_nan=False)] = 1.0
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 4
    """Prompts per device and step; each is answered n_generations times."""
    learning_rate: Rate = 1e-6
    probe: Literal["auto", "off"] = "auto"
    """Never on: the memory depends on how long the answers become."""

    @model_validator(mode="before")
    @classmethod
    def _default_leaves_room(cls, sent: Any) -> Any:
        """Halves a max_length that is too short for the default: a default is no wish that could not be met."""
        if not isinstance(sent, dict) or "max_completion_length" in sent or "max_length" not in sent:
            return sent
        try:
            half = int(sent["max_length"]) // 2
        except (TypeError, ValueError, OverflowError):
            return sent
        return {**sent, "max_completion_length": half} if 1 <= half < ANSWER_LENGTH else sent

    @field_validator("max_completion_length")
    @classmethod
    def _leaves_room(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("max_length", value + 1):
            raise ValueError("max_completion_length must be below max_length, which also holds the prompt")
        return value


def _footprint(config: GrpoConfig) -> Footprint:
    return Footprint(
        answers=config.n_generations, answer_length=config.max_completion_length, has_reference=config.beta > 0
    )


GRPO = Recipe(
    name="grpo",
    title="reinforcement fine-tuning (GRPO)",
    config=GrpoConfig,
    trainer="finery.trainers.grpo:train",
    examples=ExampleKind.TASK,
    full_batches=True,
    footprint=_footprint,
    learning_rate_factor=1 / 10,
)
