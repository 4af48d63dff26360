"""What each recipe makes of a row."""

from collections.abc import Callable

from finery.contracts.datasets.readers import as_conversation_or_text, as_feedback, as_preference, as_task, as_text
from finery.contracts.datasets.rows import Example, JsonObject

READER_OF_RECIPE: dict[str, Callable[[JsonObject], Example]] = {
    "sft": as_conversation_or_text,
    "cpt": as_text,
    "dpo": as_preference,
    "reward": as_preference,
    "kto": as_feedback,
    "grpo": as_task,
}
