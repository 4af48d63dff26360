from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, text
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import Base, BigKey

TABLE = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


class FileRow(Base):
    """A file that was uploaded for a purpose; its content is a blob."""

    __tablename__ = "files"
    __table_args__ = (TABLE,)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    owner_id: Mapped[str | None] = mapped_column(String(36), index=True)
    """A user's id; NULL: nobody's, seen by those who see everyone's."""
    filename: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(String(32))
    blob: Mapped[str] = mapped_column(String(100), ForeignKey("blobs.name"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None] = mapped_column(index=True)


class UploadRow(Base):
    """A file that comes in parts."""

    __tablename__ = "uploads"
    __table_args__ = (TABLE,)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str | None] = mapped_column(String(36))
    filename: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(String(32))
    mime_type: Mapped[str] = mapped_column(String(200))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """As it was announced."""
    lifetime_seconds: Mapped[int | None]
    """Of the file, once it is complete."""
    status: Mapped[str] = mapped_column(String(16))
    file_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class UploadPartRow(Base):
    """There is never a row without its file; a file without a row is swept."""

    __tablename__ = "upload_parts"
    __table_args__ = (TABLE,)

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Also its file's name."""
    upload_id: Mapped[str] = mapped_column(String(64), ForeignKey("uploads.id", ondelete="CASCADE"), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    """NULL: it came before hashes were kept."""
    answers: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """How often its id was given out, and so how often it may be named: equal parts that are sent once more share
    one."""
    created_at: Mapped[datetime]
