"""Rewrites errors of a run's creation so that they name the fields of the fine-tuning request that was sent."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from finery.api.openai.dialect import PARAMETERS
from finery.api.openai.fine_tuning_schemas import CreateJobRequest
from finery.api.openai.fine_tuning_words import in_openai_words
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
FIELD_PATHS: Mapping[str, str] = {
    "grader": "method.reinforcement.grader",
    "report_to": "integrations.0.type",
    "tracker_project": "integrations.0.wandb.project",
    "tracker_name": "integrations.0.wandb.name",
    "tracker_entity": "integrations.0.wandb.entity",
    "tracker_tags": "integrations.0.wandb.tags",
}


@contextmanager
def errors_with_request_fields(request: CreateJobRequest) -> Iterator[None]:
    """Changes an error that leaves the block: its issues, and its message's beginning, name fields of the request."""
    try:
        yield
    except DomainError as error:
        message, place = str(error), ""
        for issue in error.issues:
            if issue.field and message.startswith(f"{issue.field}: "):
                place, message = _field_path(issue.field, request), message.removeprefix(issue.field)
        error.args = (place + in_openai_words(message),)
        error.issues = tuple(
            replace(issue, field=_field_path(issue.field, request), message=in_openai_words(issue.message))
            for issue in error.issues
        )
        raise


def _field_path(field: str, request: CreateJobRequest) -> str:
    name, dot, rest = field.partition(".")
    if name not in HYPERPARAMETERS:
        return FIELD_PATHS.get(name, PARAMETERS.get(name, name)) + dot + rest
    kind = "supervised" if request.method is None else request.method.type
    place = "hyperparameters" if request.hyperparameters is not None else f"method.{kind}.hyperparameters"
    return f"{place}.{HYPERPARAMETERS[name]}"
