"""HTTP routes of `/api/v1/datasets`: stored datasets and their versions."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response, StreamingResponse

from finery.api.native.dialect import ERRORS, PREFIX, TOO_MANY, ApiError, DatasetId, NativeRoute, RangeHeader
from finery.api.native.mapping import to_stored
from finery.api.native.schemas import (
    DatasetChanges,
    NewDatasetForm,
    NewVersionForm,
    RestoreVersion,
    StoredDataset,
    VersionList,
)
from finery.contracts.stored_datasets import (
    Dataset,
    DatasetDiff,
    DatasetPage,
    DatasetUsePage,
    DatasetVersion,
    Preview,
    Statistics,
)
from finery.domain import datasets
from finery.domain.datasets import VersionFile
from finery.http.admission import PREVIEWS, READS, in_lane, scans_files
from finery.http.datasets import ReceivedUpload, content, diff_of, locate, parse_fields, statistics_of
from finery.http.openapi_responses import in_ranges
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext, CurrentServices
from finery.http.session import ReadSession, UploadSession, WriteSession
from finery.http.uploads import file_form

READ = Depends(Allow(Permission.DATASETS_READ))
WRITE = Depends(Allow(Permission.DATASETS_WRITE))
NOTE = {"note": {"type": "string"}}
NEW = file_form(name={"type": "string"}, shared={"type": "boolean"}, **NOTE)

Version = Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Default: the newest.")]
OldVersion = Annotated[int, Query(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=32, description="`next_cursor` of the page before.")]
IdPrefix = Annotated[str | None, Query(min_length=1, max_length=128, description="Only those whose id begins so.")]
Name = Annotated[str | None, Query(max_length=200, description="Only those of this name.")]
Search = Annotated[str | None, Query(min_length=1, max_length=200, description="Only those whose name holds this.")]
Rows = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=2**53)]
FILE = in_ranges("application/octet-stream", error=ApiError)

router = APIRouter(prefix=f"{PREFIX}/datasets", route_class=NativeRoute, tags=["datasets"], responses=ERRORS)


@in_lane(READS)
def located(
    dataset_id: DatasetId, services: CurrentServices, user: CurrentUser, version: Version = None
) -> VersionFile:
    return locate(services, dataset_id, version, user)


Located = Annotated[VersionFile, Depends(located)]


@router.post("", dependencies=[WRITE], status_code=201, openapi_extra=NEW)
def create_dataset(
    upload: ReceivedUpload, session: UploadSession, context: CurrentContext, user: CurrentUser
) -> StoredDataset:
    """Stores a file. Without `name`, the dataset is called as its file; a file of the same name again becomes the next
    version."""
    form = parse_fields(NewDatasetForm, upload.fields)
    return to_stored(datasets.create(session, upload, actor=user, home=context.home, **dict(form)))


@router.get("", dependencies=[READ])
def list_datasets(
    session: ReadSession,
    user: CurrentUser,
    limit: Limit = 100,
    cursor: Cursor = None,
    name: Name = None,
    id_prefix: IdPrefix = None,
    search: Search = None,
) -> DatasetPage:
    return datasets.list_page(session, user, limit=limit, cursor=cursor, name=name, id_prefix=id_prefix, search=search)


@router.get("/{dataset_id}", dependencies=[READ])
def get_dataset(dataset_id: DatasetId, session: ReadSession, user: CurrentUser) -> Dataset:
    return datasets.get(session, dataset_id, user)


@router.patch("/{dataset_id}", dependencies=[WRITE])
def change_dataset(dataset_id: DatasetId, body: DatasetChanges, session: WriteSession, user: CurrentUser) -> Dataset:
    return datasets.change(session, dataset_id, user, **dict(body))


@router.delete("/{dataset_id}", dependencies=[WRITE], status_code=204)
def delete_dataset(dataset_id: DatasetId, session: WriteSession, user: CurrentUser) -> None:
    """Deletes a dataset with all its versions. Refused while an unfinished run reads one of them."""
    datasets.delete(session, dataset_id, user)


@router.post("/{dataset_id}/versions", dependencies=[WRITE], status_code=201, openapi_extra=file_form(**NOTE))
def add_version(
    dataset_id: DatasetId, upload: ReceivedUpload, session: UploadSession, context: CurrentContext, user: CurrentUser
) -> DatasetVersion:
    form = parse_fields(NewVersionForm, upload.fields)
    return datasets.add_version(session, dataset_id, upload, actor=user, home=context.home, note=form.note)


@router.get("/{dataset_id}/versions", dependencies=[READ])
def list_versions(dataset_id: DatasetId, session: ReadSession, user: CurrentUser) -> VersionList:
    return VersionList(versions=datasets.list_versions(session, dataset_id, user))


@router.get("/{dataset_id}/runs", dependencies=[Depends(Allow(Permission.RUNS_READ))])
def list_dataset_runs(
    dataset_id: DatasetId, session: ReadSession, user: CurrentUser, limit: Limit = 100, cursor: Cursor = None
) -> DatasetUsePage:
    """Lists the runs that read one of the dataset's versions, newest first."""
    return datasets.list_uses(session, dataset_id, user, limit=limit, cursor=cursor)


@router.post("/{dataset_id}/restore", dependencies=[WRITE], status_code=201)
def restore_version(
    dataset_id: DatasetId, body: RestoreVersion, session: WriteSession, user: CurrentUser
) -> DatasetVersion:
    """Makes an old version's content the newest version."""
    return datasets.restore(session, dataset_id, body.version, actor=user, note=body.note)


@router.get("/{dataset_id}/preview", dependencies=[READ])
@in_lane(PREVIEWS)
def preview_rows(file: Located, rows: Rows = 20, offset: Offset = 0) -> Preview:
    return datasets.preview(file.path, offset=offset, limit=rows, filename=file.version.filename)


@router.get("/{dataset_id}/statistics", dependencies=[READ], responses=TOO_MANY)
@scans_files
def get_statistics(file: Located, services: CurrentServices, user: CurrentUser) -> Statistics:
    """Counts rows, roles and lengths; the first request for a version reads its whole file."""
    return statistics_of(services, file)


@router.get("/{dataset_id}/diff", dependencies=[READ], responses=TOO_MANY)
@scans_files
def compare_versions(
    dataset_id: DatasetId, services: CurrentServices, user: CurrentUser, old: OldVersion, new: Version = None
) -> DatasetDiff:
    """Answers with the rows that came and went between two versions."""
    return diff_of(locate(services, dataset_id, old, user), locate(services, dataset_id, new, user))


@router.get("/{dataset_id}/content", dependencies=[READ], response_class=StreamingResponse, responses=FILE)
@in_lane(READS)
def download_dataset(file: Located, byte_range: RangeHeader = None) -> Response:
    """Answers with the file as it was uploaded, or a range of its bytes."""
    return content(file, byte_range)
