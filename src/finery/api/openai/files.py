"""HTTP routes of `/v1/files`."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.responses import Response, StreamingResponse

from finery.api.openai.dialect import ERRORS, PREFIX, After, OpenAIError, OpenAIRoute, RetryCount, is_retry
from finery.api.openai.file_listing import content_response, delete, describe_file, file_page
from finery.api.openai.file_mapping import FILE_FIELDS, form_documentation, lifetime_of, purpose_of, to_file
from finery.api.openai.file_schemas import FileDeleted, FileObject, FilePage
from finery.api.openai.pages import refuse_unknown_parameters
from finery.domain import files
from finery.http.openapi_responses import in_ranges
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import CurrentTransactions, ReadSession, WriteSession
from finery.http.uploads import receive_upload

READ = Depends(Allow(Permission.DATASETS_READ))
WRITE = Depends(Allow(Permission.DATASETS_WRITE))
FileId = Annotated[str, Path(min_length=1, max_length=200)]
PurposeFilter = Annotated[str | None, Query(max_length=50)]
Limit = Annotated[int, Query(ge=1, le=10_000)]
RangeHeader = Annotated[str | None, Header(alias="Range", max_length=200)]
CONTENT = in_ranges("application/octet-stream", "text/csv", error=OpenAIError)

router = APIRouter(
    prefix=f"{PREFIX}/files",
    route_class=OpenAIRoute,
    tags=["openai: files"],
    responses=ERRORS,
    dependencies=[Depends(refuse_unknown_parameters)],
)


@router.post("", dependencies=[WRITE], openapi_extra=form_documentation("file", FILE_FIELDS))
async def create_file(
    request: Request, context: CurrentContext, transactions: CurrentTransactions, retried: RetryCount = None
) -> FileObject:
    """Stores a file; the same content twice is stored once."""
    upload = await receive_upload(request, context.home.blobs)
    try:
        purpose, lifetime = purpose_of(upload), lifetime_of(upload)
        create = partial(files.create, purpose=purpose, lifetime_seconds=lifetime, is_retry=is_retry(retried))
        file = await transactions.run(
            lambda session: create(session, upload, actor=transactions.user, home=context.home)
        )
        return to_file(file)
    finally:
        upload.discard()


@router.get("", dependencies=[READ])
def list_files(
    session: ReadSession,
    user: CurrentUser,
    purpose: PurposeFilter = None,
    after: After = None,
    limit: Limit = 10_000,
    order: Literal["asc", "desc"] = "desc",
) -> FilePage:
    """Lists uploaded files, or with the purpose `fine-tune-results` the metrics of finished jobs, which other lists
    leave out."""
    return file_page(session, user, purpose=purpose, after=after, limit=limit, newest_first=order == "desc")


@router.get("/{file_id}", dependencies=[READ])
def retrieve_file(file_id: FileId, session: ReadSession, user: CurrentUser) -> FileObject:
    return describe_file(session, file_id, user)


@router.get("/{file_id}/content", dependencies=[READ], response_class=StreamingResponse, responses=CONTENT)
def retrieve_file_content(
    file_id: FileId, session: ReadSession, user: CurrentUser, context: CurrentContext, byte_range: RangeHeader = None
) -> Response:
    return content_response(session, file_id, user, context.home, byte_range)


@router.delete("/{file_id}", dependencies=[WRITE])
def delete_file(file_id: FileId, session: WriteSession, user: CurrentUser) -> FileDeleted:
    delete(session, file_id, user)
    return FileDeleted(id=file_id)
