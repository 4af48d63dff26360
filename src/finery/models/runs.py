from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from finery.contracts.process import Handle
from finery.contracts.resolved_run import ResolvedRun
from finery.db.types import Base, BigKey, LongText, Stored

TABLE = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


class RunRow(Base):
    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("source", "idempotency_key"),
        Index("ix_runs_queue", "status", "gpus", "cpu_slots", "priority", "number"),
        Index("ix_runs_recipe", "recipe", "number"),
        Index("ix_runs_owner", "owner_id", "number"),
        TABLE,
    )

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(128), unique=True)
    """Its own for good: files, fine-tuned names and the server's own words go by it."""
    client_id: Mapped[str | None] = mapped_column(String(128), index=True)
    """The one that its client chose; several owners may have chosen the same."""
    client_key: Mapped[str | None] = mapped_column(String(64), index=True, unique=True)
    """Hash of owner and `client_id`: each owner has ids of their own."""
    source: Mapped[str] = mapped_column(String(32))
    recipe: Mapped[str] = mapped_column(String(32))
    name: Mapped[str | None] = mapped_column(String(200))
    labels: Mapped[dict[str, Any]] = mapped_column(JSON)
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    requested: Mapped[dict[str, Any]] = mapped_column(JSON)
    spec: Mapped[ResolvedRun] = mapped_column(Stored(ResolvedRun))
    """What was resolved when it was accepted."""
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"))
    owner_id: Mapped[str | None] = mapped_column(String(36))
    """A user's id; NULL: nobody's, seen by those who see everyone's."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Seen by all who may read runs."""
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    request_hash: Mapped[str | None] = mapped_column(String(64))

    gpus: Mapped[int]
    cpu_slots: Mapped[int]
    gpus_requested: Mapped[int | None]
    priority: Mapped[int]
    passed: Mapped[int] = mapped_column(default=0)
    """How often a later run was started before it, because it did not fit."""
    time_limit_seconds: Mapped[float | None]

    status: Mapped[str] = mapped_column(String(16))
    intent: Mapped[str | None] = mapped_column(String(16))
    controls: Mapped[list[Any]] = mapped_column(JSON)
    """Requests to the trainer that were not delivered yet: `checkpoint`, `validate`."""
    reason: Mapped[str | None] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(LongText)
    error_field: Mapped[str | None] = mapped_column(String(200))
    """The field of its configuration that the error is about."""
    attempt: Mapped[int] = mapped_column(default=0)
    token: Mapped[str | None] = mapped_column(String(32))
    """Drawn at each claim; who holds an older one no longer owns the run."""
    resumed_from: Mapped[str | None] = mapped_column(String(128), index=True)
    """The ended run whose last checkpoint it begins from; it may have been deleted since."""
    lost_count: Mapped[int] = mapped_column(default=0)
    events_offset: Mapped[int] = mapped_column(BigInteger, default=0)
    last_sequence: Mapped[int] = mapped_column(default=0)
    progress: Mapped[dict[str, Any]] = mapped_column(JSON)

    model_name: Mapped[str | None] = mapped_column(LongText)
    dataset: Mapped[str | None] = mapped_column(LongText)
    output_dir: Mapped[str | None] = mapped_column(LongText)
    output_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Hash of the output directory while the run is unfinished: two live runs never share one."""
    output_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    """Hash of `output_dir`, kept for good: it finds the runs that a folder belongs to."""
    log_file: Mapped[str | None] = mapped_column(LongText)

    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cleaned_at: Mapped[datetime | None]
    """When what is done after the end (hashes) was done; it cannot touch the outcome."""


class AttemptRow(Base):
    __tablename__ = "attempts"

    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    live_run: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    """The run's number while this attempt lives, else NULL: at most one live attempt of a run."""
    executor: Mapped[str] = mapped_column(String(32))
    handle: Mapped[Handle | None] = mapped_column(Stored(Handle))
    exit: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reason: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class LeaseRow(Base):
    __tablename__ = "leases"

    pool: Mapped[str] = mapped_column(String(64), primary_key=True)
    node: Mapped[str] = mapped_column(String(64), primary_key=True)
    device: Mapped[str] = mapped_column(String(64), primary_key=True)
    """`gpu:<index>` or `cpu:<slot>`."""
    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]


class EventRow(Base):
    __tablename__ = "events"

    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    type: Mapped[str] = mapped_column(String(32))
    at: Mapped[float]
    attempt: Mapped[int]
    data: Mapped[dict[str, Any]] = mapped_column(JSON)


class MeasurementDueRow(Base):
    """What its data are to its model was to take longer than its request should wait: it is told as an event."""

    __tablename__ = "measurements_due"
    __table_args__ = (TABLE,)

    run_number: Mapped[int] = mapped_column(
        BigKey, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    request: Mapped[dict[str, Any]] = mapped_column(JSON)


class LogRow(Base):
    """What the server has to say of a run; the trainer's own output lies in its log file."""

    __tablename__ = "logs"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), index=True)
    timestamp: Mapped[datetime]
    level: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(LongText)


class ArtifactRow(Base):
    __tablename__ = "artifacts"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(500))
    type: Mapped[str] = mapped_column(String(32))
    path: Mapped[str] = mapped_column(LongText)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(String(64))
    tags: Mapped[list[Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]


class OutboxRow(Base):
    """A change that the outside is to hear of, written in the change's own transaction."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None] = mapped_column(index=True)
