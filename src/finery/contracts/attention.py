"""What a person should see: conditions of live runs, of the queue and of the machine that a rule has found."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel

from finery.contracts.base_models import FrozenModel
from finery.contracts.sentences import Sentence


class Severity(StrEnum):
    ERROR = "error"
    """What goes on is in vain, or about to fail."""
    WARNING = "warning"
    """Worth a look."""


class AttentionEventType(StrEnum):
    """Events that webhooks may subscribe to, one of each for each time that a condition holds."""

    OPENED = "attention.opened"
    RESOLVED = "attention.resolved"


class AttentionRun(FrozenModel):
    """The run that it is about."""

    id: str
    name: str | None
    recipe: str
    labels: dict[str, str]
    owner_id: str | None


class Attention(FrozenModel):
    """A condition that holds now. It goes when it no longer does, or when its run ends."""

    id: str
    """The same as long as it holds, and when it comes back."""
    code: str
    """The rule's name, a stable word for programs: `loss_plateau`."""
    severity: Severity
    message: Sentence
    """What was seen when it began."""
    remedy: Sentence
    run: AttentionRun | None
    """None: it is about the machine."""
    since: datetime


class AttentionList(BaseModel):
    """Errors first, then by age."""

    attention: list[Attention]
