from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, false, true
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import Base, BigKey, LongText

TABLE = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}


class WebhookRow(Base):
    __tablename__ = "webhooks"

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    owner_id: Mapped[str | None] = mapped_column(String(36), ForeignKey("users.id", ondelete="CASCADE"), index=True)
    """NULL: the server's."""
    name: Mapped[str] = mapped_column(String(200))
    url: Mapped[str] = mapped_column(LongText)
    event_types: Mapped[list[Any]] = mapped_column(JSON)
    scope: Mapped[str] = mapped_column(String(16))
    secret: Mapped[str] = mapped_column(LongText)
    """Encrypted."""
    secret_hint: Mapped[str] = mapped_column(String(16))
    previous_secret: Mapped[str | None] = mapped_column(LongText)
    """Encrypted."""
    previous_secret_until: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=True, server_default=true())
    disabled_reason: Mapped[str | None] = mapped_column(String(200))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookMessageRow(Base):
    __tablename__ = "webhook_messages"
    __table_args__ = (
        Index("ix_webhook_messages_due", "state", "next_attempt_at"),
        Index("ix_webhook_messages_webhook", "webhook_number", "number"),
        TABLE,
    )

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    """Of an event: made from the outbox row and the webhook, so that one event is one message of a webhook."""
    webhook_number: Mapped[int] = mapped_column(BigKey, ForeignKey("webhooks.number", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[str] = mapped_column(LongText)
    """The text that is sent and signed."""
    is_test: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Tried once."""
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    """Drawn at each claim; who holds an older number no longer owns the message."""
    tries: Mapped[int] = mapped_column(default=0)
    """Failures since it was made or asked for again: its place in the list of delays."""
    next_attempt_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(index=True)


class WebhookAttemptRow(Base):
    __tablename__ = "webhook_attempts"

    message_number: Mapped[int] = mapped_column(
        BigKey, ForeignKey("webhook_messages.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    status_code: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(1000))
    response: Mapped[str | None] = mapped_column(LongText)
    milliseconds: Mapped[int | None]
    """NULL while it is under way."""
