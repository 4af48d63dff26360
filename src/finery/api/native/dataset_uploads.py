"""HTTP routes of `/api/v1/uploads`: a dataset's file in parts, so that it goes on where it was interrupted."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from finery.api.native.dialect import ERRORS, PREFIX, NativeRoute
from finery.contracts.files import DatasetUpload, PlacedPart
from finery.contracts.numbers import StrictNumbers
from finery.contracts.stored_datasets import Dataset
from finery.domain.files import dataset_uploads
from finery.http.datasets import parse_fields
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import CurrentTransactions, ReadSession, WriteSession
from finery.http.upload_completion import complete_dataset_upload
from finery.http.uploads import file_form, receive_upload, shown_name

WRITE = Depends(Allow(Permission.DATASETS_WRITE))
UploadId = Annotated[str, Path(min_length=1, max_length=100)]
START = {"type": "integer", "minimum": 0, "description": "Where in the file the part lies, in bytes."}
PART = file_form("data", "start", start=START)

router = APIRouter(prefix=f"{PREFIX}/uploads", route_class=NativeRoute, tags=["datasets"], responses=ERRORS)


class BeginUpload(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=1000)]
    size_bytes: Annotated[int, Field(ge=1, le=2**53)]


class UploadList(BaseModel):
    uploads: list[DatasetUpload]
    """Those that wait for their next part, newest first."""


class UploadDetails(DatasetUpload):
    parts: list[PlacedPart]
    """What is here, in order; a client may compare it with its file before it goes on."""


class PartForm(BaseModel):
    """The form's field beside the part."""

    model_config = ConfigDict(extra="forbid")

    start: Annotated[int, Field(ge=0, le=2**53)]


class CompleteUpload(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dataset_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """The dataset that gets the file as its next version; null: a new one, or the one that is called as the file."""
    name: Annotated[str, Field(max_length=1000)] | None = None
    """Of a new dataset."""
    note: Annotated[str, Field(max_length=4000)] | None = None
    shared: bool = False
    """Whether all who may read datasets see a new one, too."""


@router.post("", dependencies=[WRITE], status_code=201)
def begin_upload(body: BeginUpload, session: WriteSession, context: CurrentContext, user: CurrentUser) -> DatasetUpload:
    """Begins the upload of a file for a dataset. It is given up a day after its last part."""
    return dataset_uploads.begin(
        session,
        filename=shown_name(body.filename.encode("utf-8", "replace")),
        size_bytes=body.size_bytes,
        most_bytes=context.max_upload_bytes,
        actor=user,
    )


@router.get("", dependencies=[WRITE])
def list_uploads(session: ReadSession, user: CurrentUser) -> UploadList:
    return UploadList(uploads=dataset_uploads.list_pending(session, user))


@router.get("/{upload_id}", dependencies=[WRITE])
def get_upload(upload_id: UploadId, session: ReadSession, user: CurrentUser) -> UploadDetails:
    parts = dataset_uploads.list_parts(session, upload_id, user)
    return UploadDetails(**dict(dataset_uploads.get(session, upload_id, user)), parts=parts)


@router.post("/{upload_id}/parts", dependencies=[WRITE], openapi_extra=PART)
async def append_upload_part(
    upload_id: UploadId, request: Request, context: CurrentContext, transactions: CurrentTransactions
) -> DatasetUpload:
    """Stores the next part, which begins at `start`, where the last one ended."""
    part = await receive_upload(request, context.home.blobs, parts=("data",))
    try:
        form = parse_fields(PartForm, part.fields)
        add = partial(dataset_uploads.append, home=context.home, actor=transactions.user)
        return await transactions.run(lambda session: add(session, upload_id, part, form.start))
    finally:
        part.discard()


@router.post("/{upload_id}/complete", summary="Complete Upload", dependencies=[WRITE], status_code=201)
async def finish_upload(upload_id: UploadId, body: CompleteUpload, transactions: CurrentTransactions) -> Dataset:
    """Joins the parts to a dataset's newest version. Asked again, answers with the same dataset."""
    return await complete_dataset_upload(transactions, upload_id, dict(body))


@router.delete("/{upload_id}", dependencies=[WRITE], status_code=204)
def discard_upload(upload_id: UploadId, session: WriteSession, user: CurrentUser) -> None:
    dataset_uploads.cancel(session, upload_id, user)
