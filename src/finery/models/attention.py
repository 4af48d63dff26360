"""Table of what needs attention now."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import Base, BigKey


class AttentionRow(Base):
    """A condition that holds. The row goes when it no longer does."""

    __tablename__ = "attention"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Derived from code and subject, so that a condition that holds is here once."""
    code: Mapped[str] = mapped_column(String(64))
    run_number: Mapped[int | None] = mapped_column(BigKey, ForeignKey("runs.number", ondelete="CASCADE"), index=True)
    """NULL: it is about the machine."""
    values: Mapped[dict[str, Any]]
    """What is told in the rule's sentence."""
    opened_at: Mapped[datetime]
