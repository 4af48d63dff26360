"""Names of fine-tuned models, as OpenAI forms them: `ft:<base>:<organization>:<suffix>:<id>[:ckpt-step-<n>]`."""

import re
from dataclasses import dataclass

ORGANIZATION = "finery"
JOB_PREFIX = "ftjob-"
_CHECKPOINT = re.compile(r":ckpt-step-(\d{1,9})$")
_NAME = re.compile(r"ft:.+:([A-Za-z0-9][A-Za-z0-9._-]{0,127})")


@dataclass(frozen=True)
class FineTuned:
    """The origin that is encoded in a model's name."""

    run_ids: tuple[str, str]
    """The candidates for the run's id: the ids of jobs of the OpenAI dialect have a prefix that model names lack."""
    step: int | None
    """The checkpoint's step; None: the finished model."""


def fine_tuned_name(base: str, suffix: str | None, run_id: str, *, step: int | None = None) -> str:
    """Returns the model's name. If `base` was fine-tuned itself, its own base takes its place in the name."""
    while parse_fine_tuned(base) is not None:
        base = _CHECKPOINT.sub("", base).removeprefix("ft:").rsplit(":", 3)[0]
    name = f"ft:{base}:{ORGANIZATION}:{suffix or ''}:{run_id.removeprefix(JOB_PREFIX)}"
    return name if step is None else f"{name}:ckpt-step-{step}"


def parse_fine_tuned(name: str) -> FineTuned | None:
    """Returns the origin of a fine-tuned model; None if `name` is not the name of one."""
    checkpoint = _CHECKPOINT.search(name)
    match = _NAME.fullmatch(_CHECKPOINT.sub("", name))
    if match is None:
        return None
    return FineTuned((match[1], JOB_PREFIX + match[1]), int(checkpoint[1]) if checkpoint else None)
