"""Warns, when a training has ended, that it taught nothing: such a run succeeds like any other."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from finery.contracts.loss_trend import FEWEST_LOSSES, mean_losses_unless_fallen
from finery.contracts.recipes import TrainingConfig
from finery.contracts.recipes.base import MODEL
from finery.trainers.attempt import Attempt
from finery.trainers.training_loop import FitResult

SHARE_OF_GUESSING = 0.9
"""A first loss of this share of ln(vocabulary) is that of guessing: the base has never been trained."""
SHARE_WITHOUT_SIGNAL = 0.9
NEXT_TOKEN_RECIPES = frozenset({"sft", "cpt"})
"""Recipes whose loss is that of the next token, so that it tells how much the base knows."""
PREFERENCE_RECIPES = frozenset({"dpo", "kto"})
"""Recipes that shift what a base can say already, and whose loss does not tell whether it can."""
UNTRAINED = frozenset({"finery/tiny-llama", "finery/tiny-qwen"})


@dataclass(frozen=True)
class Signal:
    code: str
    message: str
    """What was seen, and the remedy."""
    setting: str


def warn_of_no_learning(attempt: Attempt, config: TrainingConfig, result: FitResult) -> None:
    """Adds a warning for each sign that the training taught nothing."""
    history = result.trainer.state.log_history
    vocabulary = result.trainer.model.config.get_text_config().vocab_size
    for signal in signals(attempt.spec.recipe, config, history, base=attempt.spec.models[MODEL], vocabulary=vocabulary):
        attempt.reporter.notice(signal.code, signal.message, setting=signal.setting)


def signals(
    recipe: str, config: TrainingConfig, history: Sequence[dict[str, Any]], *, base: str, vocabulary: int
) -> Iterator[Signal]:
    """Yields signs from Trainer's log. `base` is the resolved model."""
    losses = [entry["loss"] for entry in history if "loss" in entry]
    guessing = losses[0] if losses and recipe in NEXT_TOKEN_RECIPES else 0.0
    is_guessing = vocabulary > 1 and guessing >= SHARE_OF_GUESSING * math.log(vocabulary)
    if is_guessing or (recipe in PREFERENCE_RECIPES and base in UNTRAINED):
        yield from _untrained_base(recipe, config)
    silent = [entry["frac_reward_zero_std"] for entry in history if "frac_reward_zero_std" in entry]
    if silent:
        yield from _no_spread(silent)
    elif len(losses) >= FEWEST_LOSSES:
        yield from _no_fall(losses)


def _untrained_base(recipe: str, config: TrainingConfig) -> Iterator[Signal]:
    # Full training on texts or answers is how a base is made.
    if recipe in NEXT_TOKEN_RECIPES and not config.use_lora:
        return
    what = "an adapter" if config.use_lora else recipe
    yield Signal(
        "untrained_base",
        f"{config.model_name} guesses words as if it had never been trained, and {what} cannot teach it to write: "
        "train it in full first (recipe sft or cpt, use_lora false), or choose a trained base",
        MODEL,
    )


def _no_spread(silent: Sequence[float]) -> Iterator[Signal]:
    share = sum(silent) / len(silent)
    if share < SHARE_WITHOUT_SIGNAL:
        return
    often = "all" if share == 1.0 else f"{share:.0%} of the"
    yield Signal(
        "reward_without_spread",
        f"the answers to {often} prompts had one and the same reward, from which nothing is learned: choose a grader "
        "that gives parts of the score, easier or harder prompts, a higher temperature or more n_generations",
        "grader",
    )


def _no_fall(losses: Sequence[float]) -> Iterator[Signal]:
    if (means := mean_losses_unless_fallen(losses)) is None:
        return
    first, last = means
    yield Signal(
        "loss_did_not_fall",
        f"the loss did not fall: {first:.4g} in the first third of the steps, {last:.4g} in the last; "
        "try a higher learning_rate or more num_epochs (a lower learning_rate where it rose), and look at the rows",
        "learning_rate",
    )
