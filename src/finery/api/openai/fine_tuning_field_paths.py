"""Where in a request for a fine-tuning job stands what the core names in its own words."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from finery.api.openai.dialect import PARAMETERS
from finery.api.openai.fine_tuning_schemas import CreateJobRequest
from finery.domain.errors import DomainError

HYPERPARAMETERS: Mapping[str, str] = {
    "num_epochs": "n_epochs",
    "batch_size": "batch_size",
    "learning_rate": "learning_rate_multiplier",
    "learning_rate_multiplier": "learning_rate_multiplier",
    "beta": "beta",
    "eval_steps": "eval_interval",
    "eval_generations": "eval_samples",
}
PLACES: Mapping[str, str] = {
    "grader": "method.reinforcement.grader",
    "report_to": "integrations.0.type",
    "tracker_project": "integrations.0.wandb.project",
    "tracker_name": "integrations.0.wandb.name",
    "tracker_entity": "integrations.0.wandb.entity",
    "tracker_tags": "integrations.0.wandb.tags",
}


@contextmanager
def named_as_sent(request: CreateJobRequest) -> Iterator[None]:
    """An error that leaves the block names the places of the request, also where its message begins with one."""
    try:
        yield
    except DomainError as error:
        message = str(error)
        for issue in error.issues:
            if issue.field and message.startswith(f"{issue.field}: "):
                error.args = (_place(issue.field, request) + message.removeprefix(issue.field),)
        error.issues = tuple(replace(issue, field=_place(issue.field, request)) for issue in error.issues)
        raise


def _place(field: str, request: CreateJobRequest) -> str:
    name, dot, rest = field.partition(".")
    if name in HYPERPARAMETERS:
        return f"{_hyperparameters(request)}.{HYPERPARAMETERS[name]}"
    return PLACES.get(name, PARAMETERS.get(name, name)) + dot + rest


def _hyperparameters(request: CreateJobRequest) -> str:
    if request.hyperparameters is not None:
        return "hyperparameters"
    kind = "supervised" if request.method is None else request.method.type
    return f"method.{kind}.hyperparameters"
