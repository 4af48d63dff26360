from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import Base, LongText


class ServerLeaseRow(Base):
    """Which server serves the database: one row. Later versions read it before they bring the schema up to date, so
    that these columns stay."""

    __tablename__ = "server_lease"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[int] = mapped_column(BigInteger, default=0)
    """Counts the takings: who holds an older one holds nothing any more."""
    holder: Mapped[str | None] = mapped_column(LongText)
    """In words, for whoever is refused."""
    home_id: Mapped[str | None] = mapped_column(String(64))
    boot_id: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[float] = mapped_column(default=0.0)
    """Epoch seconds by the database's clock; 0 once it was given back."""
    settled_home_id: Mapped[str | None] = mapped_column(String(64))
    """The home in which what is live in this database has its processes. NULL: from before homes had names."""
