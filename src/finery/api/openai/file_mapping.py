"""Maps stored files and uploads to OpenAI's objects, and reads the form fields of an uploaded file."""

import re
from collections.abc import Collection
from typing import Any

from finery.api.openai.file_schemas import FileObject, FilePage, UploadObject, UploadPartObject
from finery.contracts.files import PartedUpload, StoredFile, UploadPart
from finery.domain.errors import Issue
from finery.domain.issues import UNKNOWN_KEY
from finery.http.problems import RequestRefused, invalid_request
from finery.http.uploads import Upload

FILE_FIELDS = {
    "purpose": {"type": "string"},
    "expires_after[anchor]": {"type": "string"},
    "expires_after[seconds]": {"type": "integer"},
}
_NUMBER = re.compile(r"[0-9]{1,9}")


def to_file(file: StoredFile) -> FileObject:
    return FileObject(
        id=file.id,
        bytes=file.size_bytes,
        created_at=int(file.created_at.timestamp()),
        expires_at=int(file.expires_at.timestamp()) if file.expires_at else None,
        filename=file.filename,
        purpose=file.purpose,
    )


def to_page(files: list[FileObject], has_more: bool) -> FilePage:
    return FilePage(
        data=files,
        has_more=has_more,
        first_id=files[0].id if files else None,
        last_id=files[-1].id if files else None,
    )


def to_upload(upload: PartedUpload) -> UploadObject:
    return UploadObject(
        id=upload.id,
        bytes=upload.size_bytes,
        created_at=int(upload.created_at.timestamp()),
        expires_at=int(upload.expires_at.timestamp()),
        filename=upload.filename,
        purpose=upload.purpose,
        status=upload.status.value,
        file=to_file(upload.file) if upload.file is not None else None,
    )


def to_part(part: UploadPart) -> UploadPartObject:
    return UploadPartObject(id=part.id, created_at=int(part.created_at.timestamp()), upload_id=part.upload_id)


def purpose_of(upload: Upload) -> str:
    """Returns the form's purpose. Raises RequestRefused where it is missing, or a field is unknown."""
    if "purpose" not in upload.fields:
        raise _refused("purpose", "is needed")
    refuse_unknown_fields(upload, "file", FILE_FIELDS)
    return upload.fields["purpose"]


def refuse_unknown_fields(upload: Upload, part: str, fields: Collection[str] = ()) -> None:
    """Raises RequestRefused for a field that is neither in `fields` nor `part`, which holds the file."""
    unknown = sorted(upload.fields.keys() - set(fields))
    if unknown:
        raise _refused(unknown[0], f"unknown key; known: {', '.join([part, *fields])}", code=UNKNOWN_KEY)


def lifetime_of(upload: Upload) -> int | None:
    """Returns after how many seconds the file expires, if it does. Raises RequestRefused."""
    anchor, seconds = upload.fields.get("expires_after[anchor]"), upload.fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    if anchor != "created_at":
        raise _refused("expires_after.anchor", "must be created_at")
    if seconds is None or not _NUMBER.fullmatch(seconds):
        raise _refused("expires_after.seconds", "must be a whole number of seconds")
    return int(seconds)


def form_documentation(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Returns the form's OpenAPI description, which FastAPI cannot make: the form is read as it comes."""
    schema = {
        "type": "object",
        "required": [name, *(["purpose"] if fields else [])],
        "properties": {name: {"type": "string", "format": "binary"}, **fields},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def _refused(field: str, message: str, *, code: str = "invalid") -> RequestRefused:
    return RequestRefused(invalid_request([Issue(field, message, code=code)]))
