"""Tables of uploaded files, and of uploads that come in parts."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import Base, BigKey


class FileRow(Base):
    """A file that was uploaded for a purpose; its content is a blob."""

    __tablename__ = "files"

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    owner_id: Mapped[str | None] = mapped_column(String(36), index=True)
    """A user's id; NULL: it has no owner, and only those who see everyone's see it."""
    filename: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(String(32))
    blob: Mapped[str] = mapped_column(String(100), ForeignKey("blobs.name"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class UploadRow(Base):
    """A file that comes in parts."""

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str | None] = mapped_column(String(36))
    filename: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(String(32))
    mime_type: Mapped[str] = mapped_column(String(200))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """The size that the client announced."""
    lifetime_seconds: Mapped[int | None]
    """How long the file is kept once it is complete."""
    status: Mapped[str] = mapped_column(String(16))
    file_id: Mapped[str | None] = mapped_column(String(64))
    dataset_id: Mapped[str | None] = mapped_column(String(36))
    """The dataset whose version the file became, where it was uploaded for one."""
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class UploadPartRow(Base):
    """A part of an upload. No row is without its file; a file without a row is removed at the next start."""

    __tablename__ = "upload_parts"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """It is also the name of the part's file."""
    upload_id: Mapped[str] = mapped_column(String(64), ForeignKey("uploads.id", ondelete="CASCADE"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    """NULL for a part from a version that kept no hashes."""
    answers: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """How often the id was returned, and so how often it may be named: a part that is sent once more gets the id of the
    first time."""
    start: Mapped[int | None] = mapped_column(BigInteger)
    """Where in the file it lies; NULL: the completing request says so."""
    created_at: Mapped[datetime]
