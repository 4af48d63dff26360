from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, false
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import Base, LongText


class DeploymentRow(Base):
    __tablename__ = "deployments"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str | None] = mapped_column(String(36), index=True)
    """A user's id; NULL: nobody's, seen by those who see everyone's."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Seen by all who may read deployments."""
    slot: Mapped[str | None] = mapped_column(String(64), unique=True)
    """A role that one deployment at a time holds: `main` is the model of `/load_model`. NULL once it ended."""
    model_name: Mapped[str] = mapped_column(LongText)
    """As it was asked for."""
    model: Mapped[str] = mapped_column(LongText)
    """As it was resolved: an absolute folder, a built-in name, or a hub id."""
    engine: Mapped[str] = mapped_column(String(32))
    options: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(16))
    stop_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str | None] = mapped_column(LongText)
    port: Mapped[int | None] = mapped_column(unique=True)
    """NULL once it ended."""
    token: Mapped[str | None] = mapped_column(String(32))
    handle: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
