"""Maps the job requests of the jobs dialect to runs, and runs back to jobs."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from finery.api.jobs.schemas import (
    Accepted,
    DpoRequest,
    JobCancelled,
    NewJob,
    ReportedStatus,
    SftRequest,
    StatusWord,
    UploadedFile,
)
from finery.contracts.run import EXTERNAL, NewRun, Run, RunFilter
from finery.contracts.status import RunStatus
from finery.domain.context import DomainContext
from finery.http.languages import Language
from finery.http.logs import log_json
from finery.http.uploads import Upload
from finery.kit.log_lines import LogView
from finery.kit.translatable import Translatable

TRAIN = "train"
REGISTRY = "registry"

TRAIN_WORDS: Mapping[RunStatus, str] = {
    RunStatus.QUEUED: "pending",
    RunStatus.STARTING: "pending",
    RunStatus.PAUSED: "pending",
    RunStatus.RUNNING: "running",
    RunStatus.SUCCEEDED: "completed",
    RunStatus.FAILED: "failed",
    RunStatus.CANCELLED: "cancelled",
}
REGISTRY_WORDS: Mapping[RunStatus, str] = {
    **TRAIN_WORDS,
    RunStatus.QUEUED: "queued",
    RunStatus.SUCCEEDED: "succeeded",
}
WORDS_BY_SOURCE: Mapping[str, Mapping[RunStatus, str]] = {REGISTRY: REGISTRY_WORDS}
"""Runs of every other source are shown in TRAIN_WORDS."""

STATUSES_OF_WORD: Mapping[StatusWord, frozenset[RunStatus]] = {
    word: frozenset(
        status for words in (TRAIN_WORDS, REGISTRY_WORDS) for status, shown in words.items() if shown == word
    )
    for word in StatusWord
}

STATUS_OF_REPORT: Mapping[ReportedStatus, RunStatus] = {word: RunStatus(word) for word in ReportedStatus}

DIALECT_KEYS = frozenset({"num_epochs", "batch_size", "learning_rate", "use_lora"})
"""Keys that are passed on even when a request leaves them out: the dialect's defaults differ from the recipe's."""
INPUT_KEYS = frozenset({"model_name", "dataset_path", "dataset", "output_dir"})

ACCEPTED_MESSAGES: Mapping[str, str] = {
    "sft": Translatable("The SFT training job has been created"),
    "dpo": Translatable("The DPO training job has been created"),
}


def training_run(recipe: str, request: SftRequest | DpoRequest, key: str | None) -> NewRun:
    config = request.model_dump(mode="json", include=request.model_fields_set | DIALECT_KEYS)
    return NewRun(source=TRAIN, recipe=recipe, config=config, idempotency_key=key)


def external_run(job: NewJob, key: str | None) -> NewRun:
    config = job.model_dump(exclude={"job_id"})
    return NewRun(id=job.job_id, source=REGISTRY, recipe=EXTERNAL, config=config, idempotency_key=key)


def to_filter(status: StatusWord | None, training_type: str | None) -> RunFilter:
    if status is None:
        return RunFilter(recipe=training_type)
    # The registry's `queued` finds all that waits, as the train dialect's `pending` does.
    word = StatusWord.PENDING if status is StatusWord.QUEUED else status
    return RunFilter(statuses=STATUSES_OF_WORD[word], recipe=training_type)


def to_job(run: Run) -> dict[str, Any]:
    """Returns the fields of both kinds of clients: those of trainings, and those of the registry."""
    return {
        "id": run.id,
        "job_id": run.id,
        "training_type": run.recipe,
        "model_name": run.model_name,
        "dataset": run.dataset,
        "hyperparameters": _hyperparameters(run),
        "status": status_word(run),
        "config": run.config,
        "created_at": _time(run.created_at),
        "started_at": _time(run.started_at),
        "updated_at": _time(run.updated_at),
        "completed_at": _time(run.finished_at),
        "error_message": run.error,
        "log_file": run.log_file,
        "output_dir": run.output_dir,
        "progress": run.progress.model_dump(exclude_none=True),
    }


def to_jobs(runs: list[Run]) -> bytes:
    return msgspec.json.encode([to_job(run) for run in runs])


def to_accepted(run: Run, language: Language) -> Accepted:
    return Accepted(job_id=run.id, status=status_word(run), message=language.tell(ACCEPTED_MESSAGES[run.recipe]))


def to_cancelled(run: Run, language: Language) -> JobCancelled:
    message = Translatable("The cancellation of job {job_id} has been requested", job_id=run.id)
    return JobCancelled(message=language.tell(message), job_id=run.id, status=status_word(run))


def to_logs(job_id: str, view: LogView) -> Iterator[bytes]:
    """Yields the JSON text of JobLogs."""
    return log_json(b'{"job_id":%b,"logs":[' % msgspec.json.encode(job_id), view)


def to_uploaded(upload: Upload, context: DomainContext, language: Language) -> UploadedFile:
    return UploadedFile(
        message=language.tell(Translatable("The dataset has been uploaded")),
        file_path=context.resolver.relative(upload.path),
        filename=upload.filename,
        size=upload.size_bytes,
    )


def status_word(run: Run) -> str:
    return WORDS_BY_SOURCE.get(run.source, TRAIN_WORDS)[run.status]


def _hyperparameters(run: Run) -> dict[str, Any]:
    if run.recipe == EXTERNAL:
        return dict(run.config.get("hyperparameters", {}))
    return {key: value for key, value in run.config.items() if key not in INPUT_KEYS}


def _time(moment: datetime | None) -> str | None:
    """Returns ISO 8601 as clients of this dialect read it: UTC, without a zone, with microseconds."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
