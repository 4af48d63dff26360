"""Tables of runs: their attempts, leases, events, logs, artifacts and outbox."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from finery.contracts.process import Handle
from finery.contracts.resolved_run import ResolvedRun
from finery.db.types import TABLE_OPTIONS, Base, BigKey, LongText, Stored


class RunRow(Base):
    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("source", "idempotency_key"),
        Index("ix_runs_queue", "status", "gpus", "cpu_slots", "priority", "number"),
        Index("ix_runs_recipe", "recipe", "number"),
        Index("ix_runs_owner", "owner_id", "number"),
        # All that a list is filtered and sorted by: runs are counted, and a page is found anywhere in 100,000, without
        # a look at their rows, which are some kilobytes each.
        Index(
            "ix_runs_list",
            "number",
            "owner_id",
            "shared",
            "status",
            "recipe",
            "source",
            "name",
            "id",
            "client_id",
            "final_loss",
            "created_at",
            "finished_at",
        ),
        TABLE_OPTIONS,
    )

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(128), unique=True)
    """The run's own id, which never changes: paths, names of fine-tuned models and messages use it."""
    client_id: Mapped[str | None] = mapped_column(String(128), index=True)
    """The id that the client chose; several owners may have chosen the same."""
    client_key: Mapped[str | None] = mapped_column(String(64), index=True, unique=True)
    """Hash of owner and `client_id`, which is unique: each owner has ids of their own."""
    source: Mapped[str] = mapped_column(String(32))
    recipe: Mapped[str] = mapped_column(String(32))
    name: Mapped[str | None] = mapped_column(String(200))
    labels: Mapped[dict[str, Any]] = mapped_column(JSON)
    config: Mapped[dict[str, Any]] = mapped_column(JSON)
    requested: Mapped[dict[str, Any]] = mapped_column(JSON)
    spec: Mapped[ResolvedRun] = mapped_column(Stored(ResolvedRun))
    """What the names in `config` were resolved to when the run was accepted."""
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"))
    owner_id: Mapped[str | None] = mapped_column(String(36))
    """A user's id; NULL: it has no owner, and only those who see everyone's see it."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether all who may read runs see it."""
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    request_hash: Mapped[str | None] = mapped_column(String(64))

    gpus: Mapped[int]
    cpu_slots: Mapped[int]
    gpus_requested: Mapped[int | None]
    priority: Mapped[int]
    passed: Mapped[int] = mapped_column(default=0)
    """How often a later run was started before this one, because this one did not fit."""
    time_limit_seconds: Mapped[float | None]

    status: Mapped[str] = mapped_column(String(16))
    intent: Mapped[str | None] = mapped_column(String(16))
    controls: Mapped[list[Any]] = mapped_column(JSON)
    """Requests to the trainer, `checkpoint` or `validate`, that were not delivered yet."""
    reason: Mapped[str | None] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(LongText)
    error_field: Mapped[str | None] = mapped_column(String(200))
    """The field of its configuration that the error is about."""
    warnings: Mapped[list[Any] | None] = mapped_column(JSON)
    """What its notices of the level `warning` say, one for each code; NULL: there was none."""
    attempt: Mapped[int] = mapped_column(default=0)
    token: Mapped[str | None] = mapped_column(String(32))
    """A random token of each claim; whoever has an older one no longer owns the run."""
    resumed_from: Mapped[str | None] = mapped_column(String(128), index=True)
    """The ended run whose last checkpoint this one begins from; that run may have been deleted since."""
    sweep_id: Mapped[str | None] = mapped_column(String(64), index=True)
    """The sweep that it belongs to."""
    lost_count: Mapped[int] = mapped_column(default=0)
    events_offset: Mapped[int] = mapped_column(BigInteger, default=0)
    last_sequence: Mapped[int] = mapped_column(default=0)
    progress: Mapped[dict[str, Any]] = mapped_column(JSON)
    final_loss: Mapped[float | None]
    """The loss in `progress` when the run ended. That of a live run would have each step write every index."""

    model_name: Mapped[str | None] = mapped_column(LongText)
    dataset: Mapped[str | None] = mapped_column(LongText)
    output_dir: Mapped[str | None] = mapped_column(LongText)
    output_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Hash of the output directory while the run is unfinished, so that two unfinished runs never share one."""
    output_hash: Mapped[str | None] = mapped_column(String(64), index=True)
    """Hash of `output_dir`, kept after the end, by which the runs of a folder are found."""
    log_file: Mapped[str | None] = mapped_column(LongText)

    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    cleaned_at: Mapped[datetime | None]
    """When the work after the end (hashes of artifacts) was done; it cannot change the outcome."""


class AttemptRow(Base):
    __tablename__ = "attempts"

    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    live_run: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    """The run's number while this attempt lives, else NULL, so that a run has at most one live attempt."""
    executor: Mapped[str] = mapped_column(String(32))
    handle: Mapped[Handle | None] = mapped_column(Stored(Handle))
    exit: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reason: Mapped[str | None] = mapped_column(String(16))
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class LeaseRow(Base):
    """A device that is leased to a run. The primary key keeps two runs from one device."""

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
    """A measurement of a run's data that takes longer than its request may wait; its result becomes an event."""

    __tablename__ = "measurements_due"

    run_number: Mapped[int] = mapped_column(
        BigKey, ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    request: Mapped[dict[str, Any]] = mapped_column(JSON)


class LogRow(Base):
    """A log line of the server about a run; the trainer's own output is in the run's log file."""

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
    """A change of a run that webhooks are to hear of, written in the transaction of the change."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    run_number: Mapped[int] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None] = mapped_column(index=True)
