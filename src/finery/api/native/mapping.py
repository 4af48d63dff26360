"""Between the native API's wire types and the core's."""

import platform
from collections.abc import Iterator

from finery import __version__
from finery.api.native.schemas import CreateRunRequest, System, UploadedDataset
from finery.contracts.run import NewRun, RunFilter
from finery.contracts.status import RunStatus
from finery.domain.errors import Flaw
from finery.domain.ground import Ground
from finery.http.logs import log_json
from finery.http.problems import RequestRefused, invalid_request
from finery.http.services import Services
from finery.http.uploads import Upload
from finery.kit.lines import LogView
from finery.kit.machine import platform_name

SOURCE = "native"


def to_new_run(request: CreateRunRequest, key: str | None) -> NewRun:
    return NewRun(source=SOURCE, idempotency_key=key, **dict(request))


def to_filter(statuses: list[RunStatus], recipe: str | None, label: str | None) -> RunFilter:
    return RunFilter(statuses=frozenset(statuses), recipe=recipe, label=_parse_label(label))


def to_tail(view: LogView) -> Iterator[bytes]:
    """The JSON text of a LogAnswer."""
    return log_json(b'{"lines":[', view)


def to_uploaded(upload: Upload, ground: Ground) -> UploadedDataset:
    return UploadedDataset(
        path=ground.resolver.relative(upload.path),
        size_bytes=upload.size_bytes,
        sha256=upload.sha256,
        filename=upload.filename,
    )


def to_system(services: Services) -> System:
    return System(
        **dict(services.ground.machine()),
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
        raise RequestRefused(invalid_request([Flaw("label", "write it as name=value")]))
    return name, value
