"""Table of sweeps, each a set of runs that differ in some fields of their configuration."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, false
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import TABLE_OPTIONS, Base, BigKey


class SweepRow(Base):
    __tablename__ = "sweeps"
    __table_args__ = (Index("ix_sweeps_owner", "owner_id", "number"), TABLE_OPTIONS)

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    owner_id: Mapped[str | None] = mapped_column(String(36))
    """A user's id; NULL: it has no owner, and only those who see everyone's see it."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    name: Mapped[str | None] = mapped_column(String(200))
    recipe: Mapped[str] = mapped_column(String(32))
    grid: Mapped[list[Any]] = mapped_column(JSON)
    """Pairs of a field and its values, in the order of the request, which a JSON object does not keep everywhere."""
    metric: Mapped[str | None] = mapped_column(String(100))
    """By which the best run is found; NULL: by the recipe's own."""
    goal: Mapped[str | None] = mapped_column(String(8))
    """Whether the best has the smallest (`min`) or the largest (`max`) value; NULL: as the metric's name tells."""
    idempotency_key: Mapped[str | None] = mapped_column(String(200), unique=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
