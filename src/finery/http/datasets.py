"""Answers of dataset routes that take longer than a database session may stay open: checks, statistics, downloads."""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from finery.contracts.datasets.measurement import DatasetCheck
from finery.contracts.permissions import Principal
from finery.contracts.stored_datasets import DatasetDiff, Statistics
from finery.domain import datasets
from finery.domain.datasets import VersionFile, check_request
from finery.domain.datasets.check_request import CheckRequest
from finery.domain.issues import gather_issues
from finery.http.files import file_range, named_attachment
from finery.http.problems import RequestRefused, invalid_request
from finery.http.services import CurrentContext, Services
from finery.http.uploads import Upload, receive_upload
from finery.kit.field_errors import sentence_of
from finery.kit.suggest import nearest

Form = TypeVar("Form", bound=BaseModel)


async def received_upload(request: Request, context: CurrentContext) -> AsyncIterator[Upload]:
    """Yields the upload, on the blobs' file system, so that storing it is a rename. Removes it unless it was stored."""
    upload = await receive_upload(request, context.home.blobs)
    try:
        yield upload
    finally:
        upload.discard()


# Function scope, declared before the session: the file goes after the commit and before the answer.
ReceivedUpload = Annotated[Upload, Depends(received_upload, scope="function")]


def parse_fields(model: type[Form], fields: Mapping[str, str]) -> Form:
    """Returns the form's small fields as `model`. Raises RequestRefused."""
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
    """Returns a version's statistics, which are counted at the first request for them and stored."""
    if found.statistics is not None:
        return found.statistics
    statistics = datasets.measure(found.path, filename=found.version.filename)
    with services.database.write() as session:
        datasets.record_statistics(session, found.version, statistics)
    return statistics


def check_data(services: Services, request: CheckRequest, actor: Principal) -> DatasetCheck:
    """Check data for a recipe and a model. The sessions end before the file is read, which takes long."""
    with services.database.read() as session:
        located = check_request.locate(session, request, actor, services.context)
    check = check_request.inspect(request, located, services.context)
    with services.database.read() as session:
        return check_request.with_requested_names(session, check, request, actor, services.context)


def diff_of(old: VersionFile, new: VersionFile) -> DatasetDiff:
    return datasets.diff(old.path, new.path, old_name=old.version.filename, new_name=new.version.filename)


def content(found: VersionFile, wanted: str | None) -> Response:
    """Returns the file, or a range of its bytes, under its original name. `wanted` is the Range header."""
    answer = file_range(found.path, wanted, media_type="application/octet-stream")
    answer.headers["Content-Disposition"] = named_attachment(found.version.filename)
    return answer


def _message(model: type[BaseModel], detail: Mapping[str, Any], path: list[str | int], suggests: bool) -> str:
    if detail["type"] != "extra_forbidden":
        return sentence_of(detail)
    close = nearest(str(path[0]), model.model_fields) if suggests else None
    return "unknown field" + (f"; did you mean {close!r}?" if close else "")
