"""Maps the native API's request bodies to the domain's contracts, and its results to response bodies."""

import platform
import shutil
from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel

from finery import __version__
from finery.api.native.account_schemas import Me, SetupRequest
from finery.api.native.schemas import (
    CreateDeploymentRequest,
    CreateRunRequest,
    CreateSweepRequest,
    LogLine,
    LogSearchAnswer,
    StoredDataset,
    System,
)
from finery.contracts.accounts import NewUser, User
from finery.contracts.attention import Attention, AttentionList
from finery.contracts.checkpoint import Checkpoint
from finery.contracts.deployment import Deployment, NewDeployment
from finery.contracts.permissions import Principal
from finery.contracts.previews import RunPreview
from finery.contracts.queue import Queue
from finery.contracts.run import Artifact, NewRun
from finery.contracts.stored_datasets import Dataset
from finery.contracts.sweeps import NewSweep
from finery.domain.context import DomainContext
from finery.http.languages import Language
from finery.http.logs import log_json
from finery.http.services import Services
from finery.kit.log_lines import LogView
from finery.kit.log_search import Found
from finery.kit.machine import platform_name

SOURCE = "native"
Told = TypeVar("Told", bound=BaseModel)


def to_new_run(request: CreateRunRequest, key: str | None) -> NewRun:
    return NewRun(source=SOURCE, idempotency_key=key, **dict(request))


def to_new_sweep(request: CreateSweepRequest, key: str | None) -> NewSweep:
    fields = dict(request)
    ranking = {name: fields.pop(name) for name in ("metric", "goal")}
    return NewSweep(run=NewRun(source=SOURCE, idempotency_key=key, **fields), **ranking)


def to_preview(preview: RunPreview, language: Language) -> RunPreview:
    wait = preview.wait
    return preview.model_copy(
        update={
            "issues": [_in_language(each, language, "message") for each in preview.issues],
            "warnings": [_in_language(each, language, "message") for each in preview.warnings],
            "choices": [_in_language(each, language, "reason") for each in preview.choices],
            "wait": None if wait is None else _in_language(wait, language, "message"),
        }
    )


def _in_language(told: Told, language: Language, field: str) -> Told:
    """Returns a copy whose sentence is in the language."""
    return told.model_copy(update={field: language.tell(dict(told)[field])})


def to_new_deployment(request: CreateDeploymentRequest) -> NewDeployment:
    return NewDeployment(
        model_name=request.model,
        slot=request.slot,
        engine=request.engine,
        options=request.options,
        shared=request.shared,
    )


def to_deployment(deployment: Deployment, context: DomainContext) -> Deployment:
    """Returns a copy whose paths are relative to the home, as a request would name them."""
    # Where the home lies on the server's disk is nobody's business.
    error, served = deployment.error, deployment.served_name
    return deployment.model_copy(
        update={
            "model": context.resolver.shown(deployment.model),
            "served_name": None if served is None else context.resolver.shown(served),
            "error": None if error is None else error.replace(f"{context.home.path}/", ""),
        }
    )


def to_attention_list(found: list[Attention], language: Language) -> AttentionList:
    told = [
        each.model_copy(update={"message": language.tell(each.message), "remedy": language.tell(each.remedy)})
        for each in found
    ]
    return AttentionList(attention=told)


def to_queue(found: Queue, language: Language) -> Queue:
    entries = [each.model_copy(update={"message": language.tell(each.message)}) for each in found.entries]
    return found.model_copy(update={"entries": entries})


def to_artifact(artifact: Artifact, context: DomainContext) -> Artifact:
    return artifact.model_copy(update={"path": context.resolver.shown(artifact.path)})


def to_tail(view: LogView) -> Iterator[bytes]:
    """Yields the JSON text of a LogAnswer."""
    return log_json(b'{"lines":[', view)


def to_log_search(found: Found) -> LogSearchAnswer:
    lines = [LogLine(offset=line.offset, text=line.text) for line in found.lines]
    return LogSearchAnswer(lines=lines, next_offset=found.next_offset)


def to_checkpoint(checkpoint: Checkpoint, context: DomainContext) -> Checkpoint:
    return checkpoint.model_copy(update={"path": context.resolver.shown(checkpoint.path)})


def to_stored(dataset: Dataset) -> StoredDataset:
    newest = dataset.newest
    return StoredDataset(
        **dict(dataset),
        path=newest.reference,
        size_bytes=newest.size_bytes,
        sha256=newest.sha256,
        filename=newest.filename,
    )


def to_new_admin(request: SetupRequest) -> NewUser:
    return NewUser(email=request.email, username=request.username, display_name=request.display_name)


def to_me(principal: Principal, user: User | None) -> Me:
    return Me(
        user=user,
        name=principal.name,
        permissions=sorted(principal.permissions),
        is_local=principal.is_local,
        is_scoped=principal.is_scoped,
    )


def to_system(services: Services) -> System:
    disk = shutil.disk_usage(services.context.home.path)
    return System(
        **dict(services.context.machine()),
        version=__version__,
        python=platform.python_version(),
        platform=platform_name(),
        warm_start=services.warm_start(),
        database=services.database.url.get_backend_name(),
        disk_total_bytes=disk.total,
        disk_free_bytes=disk.free,
    )
