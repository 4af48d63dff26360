"""Files that are uploaded for a purpose, whole or in parts."""

from datetime import datetime
from enum import StrEnum

from finery.contracts.base_models import FrozenModel

FILE_PREFIX = "file-"
"""Prefix of a file's id, which may stand in a field for a path to a dataset."""

HOUR = 3600
SHORTEST_LIFE, LONGEST_LIFE = HOUR, 30 * 24 * HOUR
"""Bounds of `expires_after` in seconds, the same as OpenAI's."""


class Purpose(StrEnum):
    ASSISTANTS = "assistants"
    BATCH = "batch"
    FINE_TUNE = "fine-tune"
    VISION = "vision"
    USER_DATA = "user_data"
    EVALS = "evals"


class StoredFile(FrozenModel):
    id: str
    number: int
    """A counter in order of creation."""
    owner_id: str | None
    filename: str
    """The name that the client gave."""
    purpose: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime | None


class UploadStatus(StrEnum):
    PENDING = "pending"
    """It accepts parts."""
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """It was not completed in time."""


class PartedUpload(FrozenModel):
    id: str
    filename: str
    purpose: str
    size_bytes: int
    status: UploadStatus
    created_at: datetime
    expires_at: datetime
    file: StoredFile | None


class UploadPart(FrozenModel):
    id: str
    upload_id: str
    size_bytes: int
    created_at: datetime


class PlacedPart(FrozenModel):
    start: int
    """Where in the file it lies, in bytes."""
    size_bytes: int
    sha256: str


class DatasetUpload(FrozenModel):
    """A dataset's file that comes in parts, one after the other."""

    id: str
    filename: str
    size_bytes: int
    """The announced size of the whole file."""
    received_bytes: int
    """So many bytes of the file are here; the next part begins there."""
    part_bytes: int
    """How large a part should be."""
    status: UploadStatus
    dataset_id: str | None
    """The dataset that it became, or whose version; null: it is not complete."""
    created_at: datetime
    expires_at: datetime
    """When it is given up, unless another part comes."""
