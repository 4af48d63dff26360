from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import Base, BigKey, LongText

TABLE = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


class BlobRow(Base):
    """A stored file. There is never a row without its file; a file without a row is swept."""

    __tablename__ = "blobs"
    __table_args__ = (UniqueConstraint("sha256", "suffix"), TABLE)

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    """The file's: its hash, a drawn part, its suffix. Who stores content anew after it was deleted writes another
    file, so that the removal of the old one, which follows its commit, cannot hit the new one."""
    sha256: Mapped[str] = mapped_column(String(64))
    suffix: Mapped[str] = mapped_column(String(16))
    """Readers go by it: `.jsonl`, `.csv.gz`; may be empty."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class DatasetRow(Base):
    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("owner_key", "name"), Index("ix_datasets_name", "name"), TABLE)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(36), unique=True)
    owner_id: Mapped[str | None] = mapped_column(String(36))
    """A user's id; NULL: nobody's, seen by those who see everyone's."""
    owner_key: Mapped[str] = mapped_column(String(36))
    """The owner's id, or empty: NULL would not be unique."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Seen by all who may read datasets."""
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
    """As the client called it; for people to read."""
    note: Mapped[str | None] = mapped_column(LongText)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    """By name, so that users can go."""
    statistics: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """NULL until somebody asks for them."""


class DatasetPinRow(Base):
    """What a run reads. It holds the file for as long as the run is unfinished, and is a record from then on."""

    __tablename__ = "dataset_pins"
    __table_args__ = (Index("ix_dataset_pins_dataset", "dataset_id"), TABLE)

    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True)
    field: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Of the run's configuration: `dataset_path`."""
    blob: Mapped[str] = mapped_column(String(100), index=True)
    dataset_id: Mapped[str | None] = mapped_column(String(36))
    version: Mapped[int | None]
    """NULL like its dataset, where a file was named that belongs to none."""
