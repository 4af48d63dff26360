"""Between the native API's wire types and the core's."""

import platform
from collections.abc import Iterator

from finery import __version__
from finery.api.native.schemas import CreateDeploymentRequest, CreateRunRequest, StoredDataset, System
from finery.contracts.deployment import Deployment, NewDeployment
from finery.contracts.run import Artifact, NewRun, RunFilter
from finery.contracts.status import RunStatus
from finery.contracts.stored_datasets import Dataset
from finery.domain.context import DomainContext
from finery.domain.errors import Issue
from finery.http.logs import log_json
from finery.http.problems import RequestRefused, invalid_request
from finery.http.services import Services
from finery.kit.log_lines import LogView
from finery.kit.machine import platform_name

SOURCE = "native"


def to_new_run(request: CreateRunRequest, key: str | None) -> NewRun:
    return NewRun(source=SOURCE, idempotency_key=key, **dict(request))


def to_new_deployment(request: CreateDeploymentRequest) -> NewDeployment:
    return NewDeployment(
        model_name=request.model,
        slot=request.slot,
        engine=request.engine,
        options=request.options,
        shared=request.shared,
    )


def to_deployment(deployment: Deployment, context: DomainContext) -> Deployment:
    """Where the home lies is nobody's business: paths in it are told relative to it, as a request would name them."""
    error, served = deployment.error, deployment.served_name
    return deployment.model_copy(
        update={
            "model": context.resolver.told(deployment.model),
            "served_name": None if served is None else context.resolver.told(served),
            "error": None if error is None else error.replace(f"{context.home.path}/", ""),
        }
    )


def to_artifact(artifact: Artifact, context: DomainContext) -> Artifact:
    return artifact.model_copy(update={"path": context.resolver.told(artifact.path)})


def to_filter(statuses: list[RunStatus], recipe: str | None, label: str | None) -> RunFilter:
    return RunFilter(statuses=frozenset(statuses), recipe=recipe, label=_parse_label(label))


def to_tail(view: LogView) -> Iterator[bytes]:
    """The JSON text of a LogAnswer."""
    return log_json(b'{"lines":[', view)


def to_stored(dataset: Dataset) -> StoredDataset:
    newest = dataset.newest
    return StoredDataset(
        **dict(dataset),
        path=newest.reference,
        size_bytes=newest.size_bytes,
        sha256=newest.sha256,
        filename=newest.filename,
    )


def to_system(services: Services) -> System:
    return System(
        **dict(services.context.machine()),
        version=__version__,
        python=platform.python_version(),
        platform=platform_name(),
        warm_start=services.warm_start(),
        database=services.database.url.get_backend_name(),
    )


def _parse_label(label: str | None) -> tuple[str, str] | None:
    if label is None:
        return None
    name, equals, value = label.partition("=")
    if not name or not equals or '"' in name:
        raise RequestRefused(invalid_request([Issue("label", "write it as name=value")]))
    return name, value
