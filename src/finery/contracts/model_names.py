"""Names of fine-tuned models, as OpenAI forms them: `ft:<base>:<organization>:<suffix>:<id>[:ckpt-step-<n>]`."""

import re
from dataclasses import dataclass

ORGANIZATION = "finery"
JOB_PREFIX = "ftjob-"
_CHECKPOINT = re.compile(r":ckpt-step-(\d{1,9})$")
_NAME = re.compile(r"ft:.+:([A-Za-z0-9][A-Za-z0-9._-]{0,127})")


@dataclass(frozen=True)
class FineTuned:
    """What a name says of its origin."""

    run_ids: tuple[str, str]
    """The run is one of these: jobs of the OpenAI dialect have ids with a prefix that their models' names lack."""
    step: int | None
    """Of the checkpoint; None: the finished model."""


def fine_tuned_name(base: str, suffix: str | None, run_id: str, *, step: int | None = None) -> str:
    """Of a model that was fine-tuned before, `base` is what that one began from."""
    while parse_fine_tuned(base) is not None:
        base = _CHECKPOINT.sub("", base).removeprefix("ft:").rsplit(":", 3)[0]
    name = f"ft:{base}:{ORGANIZATION}:{suffix or ''}:{run_id.removeprefix(JOB_PREFIX)}"
    return name if step is None else f"{name}:ckpt-step-{step}"


def parse_fine_tuned(name: str) -> FineTuned | None:
    """None for the name of anything else."""
    checkpoint = _CHECKPOINT.search(name)
    found = _NAME.fullmatch(_CHECKPOINT.sub("", name))
    if found is None:
        return None
    return FineTuned((found[1], JOB_PREFIX + found[1]), int(checkpoint[1]) if checkpoint else None)
