"""Table of the server lease: which server may use the database."""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import Base, LongText


class ServerLeaseRow(Base):
    """One row, which says which server uses the database.

    Later versions read it before they migrate the schema, so these columns must stay.
    """

    __tablename__ = "server_lease"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[int] = mapped_column(BigInteger, default=0)
    """Rises each time the lease is taken: whoever has a lower one has lost the lease."""
    holder: Mapped[str | None] = mapped_column(LongText)
    """A description of the server, for the message to one that is refused."""
    home_id: Mapped[str | None] = mapped_column(String(64))
    boot_id: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[float] = mapped_column(default=0.0)
    """Epoch seconds by the database's clock; 0 once the lease was given back."""
    settled_home_id: Mapped[str | None] = mapped_column(String(64))
    """The id of the home that has the processes of live runs and deployments; NULL: from before homes had ids."""
