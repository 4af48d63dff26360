"""Chooses the values for `auto`: epochs, batch size, learning rate and method, by the data and the model's size.

The rule, with N parameters of the model and R rows of data (docs/automatic.md says it with examples):

- epochs: 3; as many as make 100 rows in all where there are fewer (at most 25); 1 at least, so that at most 25,000 rows
  are seen. These are the figures of OpenAI's cookbook, "Data preparation and analysis for chat model fine-tuning".
- batch size: 0.2 % of the rows, as the power of two above it, 4 to 128, and no more than there are rows.
- learning rate of full training: 2e-5 × (1e9 / N)^(2/3), from 1e-5 to 3e-3. An adapter takes ten times as much, at most
  3e-3 (Schulman et al., "LoRA Without Regret", 2025, find the factor ten). Preference methods take a twentieth,
  reinforcement a tenth.
- max_length: the model's context, at most 8192 tokens; 1024 where it is unknown.
- method: adapters (LoRA) from 200 million parameters on, and for a base in 4 or 8 bits; full training below.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from finery.contracts.recipes.recipe import Recipe

AUTO = "auto"

TARGET_EPOCHS, MOST_EPOCHS = 3, 25
FEWEST_EXAMPLES, MOST_EXAMPLES = 100, 25_000
SHARE_OF_ROWS, SMALLEST_BATCH, LARGEST_BATCH = 0.002, 4, 128
RATE_AT_A_BILLION, RATE_EXPONENT = 2e-5, 2 / 3
LOWEST_RATE, HIGHEST_RATE = 1e-5, 3e-3
ADAPTER_FACTOR = 10.0
DEFAULT_LENGTH, LONGEST_LENGTH = 1024, 8192
ADAPTERS_FROM = 200_000_000


@dataclass(frozen=True)
class Facts:
    """The inputs of the rules."""

    recipe: Recipe
    rows: int
    parameters: int
    use_lora: bool
    context: int | None
    """The model's context length in tokens; None: unknown."""


def choose(
    config: Mapping[str, Any], *, recipe: Recipe, rows: int, parameters: int, context: int | None = None
) -> dict[str, Any]:
    """Returns a value for each key of `config` that has a rule and is `auto`."""
    uses_lora = bool(config.get("use_lora"))
    if config.get("use_lora") == AUTO:
        uses_lora = parameters >= ADAPTERS_FROM or freezes_base(config)
    facts = Facts(recipe, rows, parameters, uses_lora, context)
    return {key: RULES[key](facts) for key, value in config.items() if is_left_to_rule(recipe, key, value)}


def is_left_to_rule(recipe: Recipe, key: str, value: Any) -> bool:
    return value == AUTO and key in RULES and key in recipe.config.model_fields


def freezes_base(config: Mapping[str, Any]) -> bool:
    """Returns whether the base is in 4 or 8 bits, which only adapters can train."""
    return config.get("load_in_4bit") is True or config.get("load_in_8bit") is True


def epochs_of(facts: Facts) -> int:
    rows = max(1, facts.rows)
    if rows * TARGET_EPOCHS < FEWEST_EXAMPLES:
        return min(MOST_EPOCHS, FEWEST_EXAMPLES // rows)
    if rows * TARGET_EPOCHS > MOST_EXAMPLES:
        return max(1, MOST_EXAMPLES // rows)
    return TARGET_EPOCHS


def batch_size_of(facts: Facts) -> int:
    wanted = max(SMALLEST_BATCH, min(LARGEST_BATCH, facts.rows * SHARE_OF_ROWS))
    power = 1 << max(0, int(-(-wanted // 1)) - 1).bit_length()
    return max(1, min(power, LARGEST_BATCH, facts.rows))


def learning_rate_of(facts: Facts) -> float:
    full = RATE_AT_A_BILLION * (1e9 / max(1, facts.parameters)) ** RATE_EXPONENT
    rate = max(LOWEST_RATE, min(HIGHEST_RATE, full))
    if facts.use_lora:
        rate = min(HIGHEST_RATE, rate * ADAPTER_FACTOR)
    return float(f"{rate * facts.recipe.learning_rate_factor:.2g}")


RULES: dict[str, Callable[[Facts], Any]] = {
    "num_epochs": epochs_of,
    "batch_size": batch_size_of,
    "learning_rate": learning_rate_of,
    "max_length": lambda facts: min(facts.context or DEFAULT_LENGTH, LONGEST_LENGTH),
    "use_lora": lambda facts: facts.use_lora,
    "beta": lambda facts: facts.recipe.config.model_fields["beta"].default,
}
RULES_IN_WORDS = {
    "num_epochs": "3; more of fewer than 34 rows, fewer of more than 8,333",
    "batch_size": "0.2 % of the rows, as a power of two from 4 to 128",
    "learning_rate": "by the model's size: larger for small models, ten times as much for an adapter",
    "max_length": "the model's context, at most 8,192 tokens",
    "use_lora": "an adapter from 200 million parameters on, or for a base in 4 or 8 bits",
    "beta": "the method's default",
}
"""For people; docs/automatic.md has them whole."""
