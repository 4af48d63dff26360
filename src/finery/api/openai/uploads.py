"""HTTP routes of `/v1/uploads`: files that are uploaded in parts."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from finery.api.openai.dialect import ERRORS, PREFIX, OpenAIRoute, RetryCount, is_retry
from finery.api.openai.file_mapping import form_documentation, refuse_unknown_fields, to_part, to_upload
from finery.api.openai.file_schemas import CompleteUploadRequest, CreateUploadRequest, UploadObject, UploadPartObject
from finery.api.openai.pages import refuse_unknown_parameters
from finery.domain import files
from finery.http.permission import Allow, CurrentUser, Permission
from finery.http.services import CurrentContext
from finery.http.session import CurrentTransactions, WriteSession
from finery.http.upload_completion import complete_upload
from finery.http.uploads import receive_upload, shown_name

WRITE = Depends(Allow(Permission.DATASETS_WRITE))
UploadId = Annotated[str, Path(min_length=1, max_length=100)]

router = APIRouter(
    prefix=f"{PREFIX}/uploads",
    route_class=OpenAIRoute,
    tags=["openai: files"],
    responses=ERRORS,
    dependencies=[Depends(refuse_unknown_parameters)],
)


@router.post("", dependencies=[WRITE])
def create_upload(
    body: CreateUploadRequest, session: WriteSession, context: CurrentContext, user: CurrentUser
) -> UploadObject:
    upload = files.begin(
        session,
        filename=shown_name(body.filename.encode("utf-8", "replace")),
        purpose=body.purpose,
        size_bytes=body.bytes,
        mime_type=body.mime_type,
        lifetime_seconds=body.expires_after.seconds if body.expires_after else None,
        most_bytes=context.max_upload_bytes,
        actor=user,
    )
    return to_upload(upload)


@router.post("/{upload_id}/parts", dependencies=[WRITE], openapi_extra=form_documentation("data", {}))
async def add_upload_part(
    upload_id: UploadId,
    request: Request,
    context: CurrentContext,
    transactions: CurrentTransactions,
    retried: RetryCount = None,
) -> UploadPartObject:
    """Stores a part; parts may come in any order and at the same time."""
    part = await receive_upload(request, context.home.blobs, parts=("data",))
    try:
        refuse_unknown_fields(part, "data")
        add = partial(files.add_part, home=context.home, actor=transactions.user, is_retry=is_retry(retried))
        return to_part(await transactions.run(lambda session: add(session, upload_id, part)))
    finally:
        part.discard()


@router.post("/{upload_id}/complete", summary="Complete Upload", dependencies=[WRITE])
async def complete(upload_id: UploadId, body: CompleteUploadRequest, transactions: CurrentTransactions) -> UploadObject:
    """Joins the parts to a file, in the order in which they are named."""
    return to_upload(await complete_upload(transactions, upload_id, body.part_ids, body.md5))


@router.post("/{upload_id}/cancel", dependencies=[WRITE])
def cancel_upload(upload_id: UploadId, session: WriteSession, user: CurrentUser) -> UploadObject:
    return to_upload(files.cancel(session, upload_id, user))
