"""Stored datasets, where an answer takes longer than a session should be open."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from finery.contracts.permissions import Principal
from finery.contracts.stored_datasets import DatasetDiff, Statistics
from finery.domain import datasets
from finery.domain.datasets import VersionFile
from finery.domain.issues import gather_issues
from finery.http.files import file_range
from finery.http.problems import RequestRefused, invalid_request
from finery.http.services import CurrentContext, Services
from finery.http.uploads import Upload, receive_upload
from finery.kit.suggest import nearest

Form = TypeVar("Form", bound=BaseModel)


async def received_upload(request: Request, context: CurrentContext) -> AsyncIterator[Upload]:
    """On the blobs' file system, so that storing it is a rename; what was not stored goes."""
    upload = await receive_upload(request, context.home.blobs)
    try:
        yield upload
    finally:
        upload.discard()


# Function scope, declared before the session: the file goes after the commit and before the answer.
ReceivedUpload = Annotated[Upload, Depends(received_upload, scope="function")]


def parse_fields(model: type[Form], fields: Mapping[str, str]) -> Form:
    """A form's small fields. Raises RequestRefused."""
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        issues = gather_issues(details, lambda detail: [*detail["loc"]], partial(_message, model))
        raise RequestRefused(invalid_request(issues)) from error


def locate(services: Services, dataset_id: str, version: int | None, actor: Principal) -> VersionFile:
    with services.database.read() as session:
        return datasets.locate(session, dataset_id, version, actor=actor, home=services.context.home)


def statistics_of(services: Services, found: VersionFile) -> Statistics:
    """Counted when somebody first asks for them."""
    if found.statistics is not None:
        return found.statistics
    statistics = datasets.measure(found.path, filename=found.version.filename)
    with services.database.write() as session:
        datasets.record_statistics(session, found.version, statistics)
    return statistics


def diff_of(old: VersionFile, new: VersionFile) -> DatasetDiff:
    return datasets.diff(old.path, new.path, old_name=old.version.filename, new_name=new.version.filename)


def content(found: VersionFile, wanted: str | None) -> Response:
    """The file, or a range of its bytes, under the name that it came with."""
    answer = file_range(found.path, wanted, media_type="application/octet-stream")
    name = Path(found.version.filename).name
    answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return answer


def _message(model: type[BaseModel], detail: Mapping[str, Any], path: list[str | int], suggests: bool) -> str:
    if detail["type"] != "extra_forbidden":
        return str(detail["msg"])
    close = nearest(str(path[0]), model.model_fields) if suggests else None
    return "unknown field" + (f"; did you mean {close!r}?" if close else "")
