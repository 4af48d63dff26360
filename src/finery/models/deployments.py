"""Tables of deployments: engines that serve models, and the memory that they lease."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from finery.contracts.deployment import DeploymentDetails, EngineOptions
from finery.contracts.process import Handle
from finery.db.types import Base, LongText, Stored


class DeploymentRow(Base):
    __tablename__ = "deployments"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner_id: Mapped[str | None] = mapped_column(String(36), index=True)
    """A user's id; NULL: it has no owner, and only those who see everyone's see it."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether all who may read deployments see it."""
    slot: Mapped[str | None] = mapped_column(String(64), unique=True)
    """A role that one deployment at a time has: `main` is the model of `/load_model`. NULL once it has ended."""
    on_demand: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether a request for its model's name started it; such an engine ends when it idles."""
    demand_key: Mapped[str | None] = mapped_column(String(64), unique=True, index=True)
    """Hash of what it serves, so that two first requests start one engine. NULL once it shall end, and for deployments
    that a user made."""
    model_name: Mapped[str] = mapped_column(LongText)
    """The name in the request."""
    model: Mapped[str] = mapped_column(LongText)
    """What the name was resolved to: an absolute folder, a built-in model's name, or a hub id."""
    engine: Mapped[str] = mapped_column(String(32))
    options: Mapped[EngineOptions] = mapped_column(Stored(EngineOptions))
    status: Mapped[str] = mapped_column(String(16))
    stop_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str | None] = mapped_column(LongText)
    port: Mapped[int | None] = mapped_column(unique=True)
    """NULL once it has ended."""
    attempt: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """How often its engine was started: one that crashed is started again."""
    restart_at: Mapped[datetime | None]
    """The earliest moment for the next start after a crash."""
    token: Mapped[str | None] = mapped_column(String(32))
    handle: Mapped[Handle | None] = mapped_column(Stored(Handle))
    details: Mapped[DeploymentDetails] = mapped_column(Stored(DeploymentDetails))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class EngineLeaseRow(Base):
    """Memory that is leased to an engine, from before its start until after its end."""

    __tablename__ = "engine_leases"

    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True)
    device: Mapped[str] = mapped_column(String(64), index=True)
    """`gpu:<index>`, or `ram` on a machine without GPUs. Engines may share a device; a training shares with none."""
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
