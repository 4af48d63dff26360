"""Maps requests for fine-tuning jobs to new runs, and runs back to fine-tuning jobs."""

import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

from finery.api.openai.dialect import CODES, PARAMETERS
from finery.api.openai.fine_tuning_schemas import (
    CreateJobRequest,
    DpoHyperparameters,
    FineTuningJob,
    Hyperparameters,
    JobError,
    Method,
    Reinforcement,
    ReinforcementHyperparameters,
    Wandb,
)
from finery.api.openai.fine_tuning_words import in_openai_words
from finery.contracts.graders import MOST_GRADERS
from finery.contracts.model_names import JOB_PREFIX, ORGANIZATION, fine_tuned_name
from finery.contracts.recipes import TrainingConfig
from finery.contracts.recipes.base import MODEL, TRAINING
from finery.contracts.run import NewRun, Run
from finery.contracts.status import Intent, Reason, RunStatus
from finery.domain.errors import Issue
from finery.http.problems import Problem, RequestRefused, invalid_request

SOURCE = "openai"
RECIPE_OF_METHOD = {"supervised": "sft", "dpo": "dpo", "reinforcement": "grpo"}
METHOD_OF_RECIPE = {recipe: method for method, recipe in RECIPE_OF_METHOD.items()}
DEFAULT_SEED: int = TrainingConfig.model_fields["seed"].default
KEPT_CHECKPOINTS = 3
"""OpenAI keeps as many checkpoints of a job."""
AUTO = "auto"
COMMON_HYPERPARAMETERS = ("n_epochs", "batch_size", "learning_rate_multiplier")

STATUS_OF = {
    RunStatus.QUEUED: "queued",
    RunStatus.STARTING: "running",
    RunStatus.RUNNING: "running",
    RunStatus.PAUSED: "paused",
    RunStatus.SUCCEEDED: "succeeded",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "cancelled",
}
ERROR_CODES = {
    Reason.OOM: "out_of_memory",
    Reason.TIMEOUT: "time_limit_reached",
    Reason.DISK_FULL: "disk_full",
    Reason.LOST: "worker_lost",
    Reason.KILLED: "worker_lost",
    Reason.START_FAILED: "start_failed",
}


def models_named(request: CreateJobRequest) -> dict[str, str]:
    """Returns field of the request → model: the one that is trained, and those that grade it."""
    named = {"model": request.model}
    if request.method is not None and request.method.reinforcement is not None:
        named |= grader_models(request.method.reinforcement.grader, "method.reinforcement.grader")
    return named


def to_new_run(request: CreateJobRequest, idempotency_key: str | None, *, is_retry: bool) -> NewRun:
    """Raises RequestRefused for fields that contradict each other."""
    method = _method_of(request)
    return NewRun(
        id_prefix=JOB_PREFIX,
        source=SOURCE,
        recipe=RECIPE_OF_METHOD[method.type],
        config=_config(request, method),
        name=request.suffix,
        labels=request.metadata or {},
        idempotency_key=idempotency_key,
        is_retry=is_retry,
        keep_refused=True,
    )


def to_job(run: Run) -> FineTuningJob:
    config = run.config
    hyperparameters = _hyperparameters_of(run)
    return FineTuningJob(
        id=run.id,
        created_at=int(run.created_at.timestamp()),
        finished_at=int(run.finished_at.timestamp()) if run.finished_at else None,
        estimated_finish=_estimated_finish(run),
        model=config["model_name"],
        fine_tuned_model=name_of(run) if run.status is RunStatus.SUCCEEDED else None,
        organization_id=ORGANIZATION,
        status=_status_of(run),
        training_file=config["dataset_path"],
        validation_file=config.get("eval_dataset_path"),
        result_files=[result_file_id(run.id)] if run.status is RunStatus.SUCCEEDED else [],
        trained_tokens=_trained_tokens(run),
        hyperparameters={key: hyperparameters[key] for key in COMMON_HYPERPARAMETERS},
        method=_to_method(run, hyperparameters),
        seed=config.get("seed", DEFAULT_SEED),
        integrations=_integrations_of(config),
        metadata=run.labels,
        error=_error_of(run),
    )


def name_of(run: Run, *, step: int | None = None) -> str:
    return fine_tuned_name(run.config["model_name"], run.name, run.id, step=step)


def result_file_id(run_id: str) -> str:
    return f"file-results-{run_id.removeprefix(JOB_PREFIX)}"


def run_of_result_file(file_id: str) -> str | None:
    """Returns the id of the run whose results `file_id` stands for, or None for an uploaded file's id."""
    prefix = "file-results-"
    return JOB_PREFIX + file_id.removeprefix(prefix) if file_id.startswith(prefix) else None


def _method_of(request: CreateJobRequest) -> Method:
    if request.method is None:
        return Method.model_validate({"type": "supervised", "supervised": {"hyperparameters": request.hyperparameters}})
    if request.hyperparameters is not None:
        raise _refused("hyperparameters", "give them under `method`, or leave `method` out; not both")
    configured = {name for name, value in request.method if name in RECIPE_OF_METHOD and value is not None}
    for name in sorted(configured - {request.method.type}):
        raise _refused(f"method.{name}", f"`method.type` is {request.method.type!r}; leave {name!r} out")
    if request.method.type == "reinforcement" and request.method.reinforcement is None:
        raise _refused("method.reinforcement", "a grader is needed here")
    return request.method


def grader_models(grader: Mapping[str, Any], field: str) -> dict[str, str]:
    """Returns field of the request → model, for graders that ask a model. The grader, at `field`, may be malformed."""
    several = grader.get("graders")
    parts = {field: grader}
    if isinstance(several, dict):
        parts |= {f"{field}.graders.{name}": part for name, part in islice(several.items(), MOST_GRADERS)}
    return {
        f"{field}.model": part["model"]
        for field, part in parts.items()
        if isinstance(part, dict) and part.get("type") == "score_model" and isinstance(part.get("model"), str)
    }


def _config(request: CreateJobRequest, method: Method) -> dict[str, Any]:
    chosen = {"supervised": method.supervised, "dpo": method.dpo, "reinforcement": method.reinforcement}[method.type]
    hyperparameters = (chosen.hyperparameters if chosen is not None else None) or Hyperparameters()
    multiplier = hyperparameters.learning_rate_multiplier
    config: dict[str, Any] = {
        "model_name": request.model,
        "dataset_path": request.training_file,
        "num_epochs": hyperparameters.n_epochs or AUTO,
        "batch_size": hyperparameters.batch_size or AUTO,
        "learning_rate": AUTO,
        "learning_rate_multiplier": 1.0 if multiplier in (None, AUTO) else multiplier,
        "use_lora": AUTO,
        "max_length": AUTO,
        "save_each_epoch": True,
        "save_total_limit": KEPT_CHECKPOINTS,
    }
    if request.seed is not None:
        config["seed"] = request.seed
    if request.validation_file is not None:
        config["eval_dataset_path"] = request.validation_file
    if method.type == "dpo":
        config["beta"] = (hyperparameters.beta if isinstance(hyperparameters, DpoHyperparameters) else None) or AUTO
    if method.reinforcement is not None:
        config |= _reinforcement(method.reinforcement)
        if request.validation_file is None and config.keys() & {"eval_steps", "eval_generations"}:
            raise _refused(
                "validation_file", "is what eval_interval and eval_samples are for: name one, or leave them out"
            )
    for integration in request.integrations or []:
        config |= _tracker(integration.wandb)
    return config


def _reinforcement(method: Reinforcement) -> dict[str, Any]:
    hyperparameters = method.hyperparameters or ReinforcementHyperparameters()
    config: dict[str, Any] = {"grader": method.grader}
    if hyperparameters.eval_interval not in (None, AUTO):
        config["eval_steps"] = hyperparameters.eval_interval
    if hyperparameters.eval_samples not in (None, AUTO):
        config["eval_generations"] = hyperparameters.eval_samples
    if hyperparameters.compute_multiplier not in (None, AUTO, 1):
        raise _unsupported(
            "method.reinforcement.hyperparameters.compute_multiplier",
            "what is computed here is not multiplied; leave it out",
        )
    return config


def _tracker(wandb: Wandb) -> dict[str, Any]:
    return {
        "report_to": ["wandb"],
        "tracker_project": wandb.project,
        "tracker_name": wandb.name,
        "tracker_entity": wandb.entity,
        "tracker_tags": wandb.tags or [],
    }


def _status_of(run: Run) -> Any:
    if run.status.is_live and run.intent is Intent.PAUSE:
        return "pausing"
    # An accepted cancel wins over whatever its process may still say.
    return STATUS_OF[RunStatus.CANCELLED if run.intent is Intent.CANCEL else run.status]


def _estimated_finish(run: Run) -> int | None:
    left = run.progress.eta_seconds
    is_running = run.status is RunStatus.RUNNING and run.intent is not Intent.CANCEL
    return int(time.time() + left) if is_running and left is not None else None


def _trained_tokens(run: Run) -> int | None:
    tokens = (run.progress.model_extra or {}).get("tokens")
    return int(tokens) if run.status is RunStatus.SUCCEEDED and tokens is not None else None


def _hyperparameters_of(run: Run) -> dict[str, Any]:
    """Returns the values that `auto` has become; a job that was refused has those of its request."""
    config = run.config
    epochs = config.get("num_epochs")
    values = {
        # OpenAI's clients expect whole numbers of epochs.
        "n_epochs": round(epochs) if isinstance(epochs, float) else epochs,
        "batch_size": config.get("batch_size"),
        "learning_rate_multiplier": config.get("learning_rate_multiplier"),
    }
    if run.recipe == "grpo":
        values["eval_interval"] = config.get("eval_steps") or AUTO
        values["eval_samples"] = config.get("eval_generations", AUTO)
    return values | ({"beta": config["beta"]} if run.recipe == "dpo" and "beta" in config else {})


def _to_method(run: Run, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    kind = METHOD_OF_RECIPE[run.recipe]
    method: dict[str, Any] = {"hyperparameters": dict(hyperparameters)}
    if kind == "reinforcement":
        method["grader"] = run.requested["grader"]
    return {"type": kind, kind: method}


def _integrations_of(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    if not config.get("tracker_project"):
        return []
    wandb = {name: config.get(f"tracker_{name}") for name in ("project", "name", "entity", "tags")}
    return [{"type": "wandb", "wandb": wandb}]


def _error_of(run: Run) -> JobError | None:
    if run.status is not RunStatus.FAILED:
        return None
    message = in_openai_words(without_field(run.error or "the training failed", run.error_field))
    if run.reason is Reason.INVALID_DATA:
        name = PARAMETERS.get(run.error_field or TRAINING, PARAMETERS[TRAINING])
        code = CODES["invalid_run"] if run.error_field == MODEL else f"invalid_{name}"
        return JobError(code=code, message=message, param=name)
    code = ERROR_CODES.get(run.reason, "training_failed") if run.reason is not None else "training_failed"
    return JobError(code=code, message=message, param=PARAMETERS.get(run.error_field or ""))


def without_field(message: str, field: str | None) -> str:
    """Removes the field that `message` begins with: this dialect has another name for it."""
    return message.removeprefix(f"{field}: ")


def _refused(field: str, message: str) -> RequestRefused:
    return RequestRefused(invalid_request([Issue(field, message)]))


def _unsupported(field: str, message: str) -> RequestRefused:
    return RequestRefused(Problem(400, "unsupported_parameter", f"{field}: {message}", (Issue(field, message),)))
