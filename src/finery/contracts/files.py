"""Files that are uploaded for a purpose, whole or in parts."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

FILE_PREFIX = "file-"
"""How a file's id begins; where a path to a dataset may stand, so may it."""

HOUR = 3600
SHORTEST_LIFE, LONGEST_LIFE = HOUR, 30 * 24 * HOUR
"""Seconds, as OpenAI bounds `expires_after`."""


class Purpose(StrEnum):
    ASSISTANTS = "assistants"
    BATCH = "batch"
    FINE_TUNE = "fine-tune"
    VISION = "vision"
    USER_DATA = "user_data"
    EVALS = "evals"


class StoredFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    number: int
    """Grows with every file."""
    owner_id: str | None
    filename: str
    """As the client called it."""
    purpose: str
    size_bytes: int
    created_at: datetime
    expires_at: datetime | None


class UploadStatus(StrEnum):
    PENDING = "pending"
    """Takes parts."""
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Nobody completed it in time."""


class PartedUpload(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    filename: str
    purpose: str
    size_bytes: int
    status: UploadStatus
    created_at: datetime
    expires_at: datetime
    file: StoredFile | None


class UploadPart(BaseModel):
    model_config = ConfigDict(frozen=True)

    id: str
    upload_id: str
    size_bytes: int
    created_at: datetime
