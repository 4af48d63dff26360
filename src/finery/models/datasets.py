"""Tables of stored datasets: their versions, the blobs that hold the content, and what runs read of them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import TABLE_OPTIONS, Base, BigKey, LongText


class BlobRow(Base):
    """A stored file. No row is without its file; a file without a row is removed at the next start."""

    __tablename__ = "blobs"
    __table_args__ = (UniqueConstraint("sha256", "suffix"), TABLE_OPTIONS)

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    """The file's name: its hash, a random part, its suffix. Content that is stored again after its deletion gets
    another name, so that the removal of the old file, which follows the commit, cannot hit the new one."""
    sha256: Mapped[str] = mapped_column(String(64))
    suffix: Mapped[str] = mapped_column(String(16))
    """`.jsonl`, `.csv.gz` or the like, by which readers choose a format; may be empty."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class DatasetRow(Base):
    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("owner_key", "name"), Index("ix_datasets_name", "name"), TABLE_OPTIONS)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    owner_id: Mapped[str | None] = mapped_column(String(36))
    """A user's id; NULL: it has no owner, and only those who see everyone's see it."""
    owner_key: Mapped[str] = mapped_column(String(36))
    """The owner's id, or an empty string, since NULLs would not be unique."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether all who may read datasets see it."""
    name: Mapped[str] = mapped_column(String(200))
    newest: Mapped[int]
    """The newest version's number."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class DatasetVersionRow(Base):
    __tablename__ = "dataset_versions"

    dataset_id: Mapped[str] = mapped_column(String(36), ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    blob: Mapped[str] = mapped_column(String(100), ForeignKey("blobs.name"), index=True)
    filename: Mapped[str] = mapped_column(String(200))
    """The client's name for the file, for people to read."""
    note: Mapped[str | None] = mapped_column(LongText)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    """The user's name, not a key to `users`, so that users can be deleted."""
    statistics: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """NULL until somebody requests them."""


class DatasetPinRow(Base):
    """Keeps a file that a run reads from being removed until the run is finished; from then on it is a record."""

    __tablename__ = "dataset_pins"
    __table_args__ = (Index("ix_dataset_pins_dataset", "dataset_id"), TABLE_OPTIONS)

    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True)
    field: Mapped[str] = mapped_column(String(64), primary_key=True)
    """The field of the run's configuration that names the file, as `dataset_path`."""
    blob: Mapped[str] = mapped_column(String(100), index=True)
    dataset_id: Mapped[str | None] = mapped_column(String(36))
    version: Mapped[int | None]
    """NULL, as `dataset_id` is, for an uploaded file that belongs to no dataset."""
