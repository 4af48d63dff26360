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
    """A user's id; NULL: nobody's, seen by those who see everyone's."""
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Seen by all who may read deployments."""
    slot: Mapped[str | None] = mapped_column(String(64), unique=True)
    """A role that one deployment at a time holds: `main` is the model of `/load_model`. NULL once it ended."""
    on_demand: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Started by a request for its model's name; ends when it idles."""
    demand_key: Mapped[str | None] = mapped_column(String(64), unique=True, index=True)
    """Hash of what it serves: two first requests start one engine. NULL once it shall end, and where made by hand."""
    model_name: Mapped[str] = mapped_column(LongText)
    """As it was asked for."""
    model: Mapped[str] = mapped_column(LongText)
    """As it was resolved: an absolute folder, a built-in name, or a hub id."""
    engine: Mapped[str] = mapped_column(String(32))
    options: Mapped[EngineOptions] = mapped_column(Stored(EngineOptions))
    status: Mapped[str] = mapped_column(String(16))
    stop_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str | None] = mapped_column(LongText)
    port: Mapped[int | None] = mapped_column(unique=True)
    """NULL once it ended."""
    attempt: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """How often its engine was started; one that crashed is started again."""
    restart_at: Mapped[datetime | None]
    """Not before."""
    token: Mapped[str | None] = mapped_column(String(32))
    handle: Mapped[Handle | None] = mapped_column(Stored(Handle))
    details: Mapped[DeploymentDetails] = mapped_column(Stored(DeploymentDetails))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class EngineLeaseRow(Base):
    """The memory that an engine may take, from before its start until after its end."""

    __tablename__ = "engine_leases"

    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True)
    device: Mapped[str] = mapped_column(String(64), index=True)
    """`gpu:<index>`, or `ram` on a machine without any. Engines may share one; a training shares with none."""
    bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
