"""What a recipe says of its data: the kind of example that a row becomes, and how its trainer tokenizes it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from finery.contracts.base_models import StrictModel


class ExampleKind(StrEnum):
    """What a recipe makes of a row of data; the values are stored in requests to the measuring process."""

    CONVERSATION_OR_TEXT = "conversation_or_text"
    TEXT = "text"
    PREFERENCE = "preference"
    FEEDBACK = "feedback"
    TASK = "task"


class TokenRules(StrictModel):
    """How a trainer makes tokens of its rows."""

    in_pieces: bool = False
    """Texts longer than max_length are learned in pieces, not cut."""
    same_prompt: bool = False
    """A preference is left out if the template renders its prompt differently for its two answers."""
    to_the_end: bool = False
    """An answer has all that the template writes after it, since a score is read at the end."""
    completion_only_loss: bool = True
    chat_template: str | None = None
    """Jinja; None: the model's own."""
    split_special_tokens: bool = False

    def under(self, config: Mapping[str, Any]) -> "TokenRules":
        """Returns these rules with the last three as a run's configuration sets them."""
        names = ("completion_only_loss", "chat_template", "split_special_tokens")
        return self.model_copy(update={name: config[name] for name in names if name in config})
