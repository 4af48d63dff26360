"""Tables of webhooks, of the messages to them, and of the attempts to send each."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, false, true
from sqlalchemy.orm import Mapped, mapped_column

from finery.db.types import TABLE_OPTIONS, Base, BigKey, LongText


class WebhookRow(Base):
    __tablename__ = "webhooks"

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    owner_id: Mapped[str | None] = mapped_column(String(36), ForeignKey("users.id", ondelete="CASCADE"), index=True)
    """NULL: it belongs to the server."""
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
        TABLE_OPTIONS,
    )

    number: Mapped[int] = mapped_column(BigKey, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(64), unique=True)
    """Derived from the outbox row and the webhook, so that a webhook gets one message of an event."""
    webhook_number: Mapped[int] = mapped_column(BigKey, ForeignKey("webhooks.number", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(64))
    payload: Mapped[str] = mapped_column(LongText)
    """The JSON text that is signed and sent."""
    is_test: Mapped[bool] = mapped_column(default=False, server_default=false())
    """A test message is tried once."""
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    """Rises at each claim; whoever has a lower number no longer owns the message."""
    tries: Mapped[int] = mapped_column(default=0)
    """Failures since it was made or last replayed, which select the next delay."""
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
    """NULL while the attempt is under way."""
