"""Request and response bodies of `/v1/files` and `/v1/uploads`."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from finery.contracts.files import LONGEST_LIFE, SHORTEST_LIFE, Purpose
from finery.contracts.numbers import StrictNumbers

PartId = Annotated[str, Field(min_length=1, max_length=100)]


class ExpiresAfter(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=SHORTEST_LIFE, le=LONGEST_LIFE)]
    """The seconds after its creation."""


class FileObject(BaseModel):
    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"] = "processed"
    """Always `processed`: a file is checked when a job names it."""
    status_details: str | None = None


class FilePage(BaseModel):
    object: Literal["list"] = "list"
    data: list[FileObject]
    """The files on this page."""
    has_more: bool
    first_id: str | None
    last_id: str | None


class FileDeleted(BaseModel):
    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


class CreateUploadRequest(StrictNumbers):
    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=1000)]
    purpose: Purpose
    bytes: Annotated[int, Field(ge=1, le=2**60)]
    mime_type: Annotated[str, Field(min_length=1, max_length=200)]
    expires_after: ExpiresAfter | None = None


class CompleteUploadRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    part_ids: Annotated[list[PartId], Field(min_length=1, max_length=10_000)]
    md5: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")] | None = None


class UploadObject(BaseModel):
    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    file: FileObject | None


class UploadPartObject(BaseModel):
    id: str
    object: Literal["upload.part"] = "upload.part"
    created_at: int
    upload_id: str
