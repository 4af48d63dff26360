"""From what happened to the messages that tell of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from finery.contracts.permissions import Level, Permission, permissions_of
from finery.contracts.run import Run
from finery.contracts.webhook_events import EventBody, EventMaker, RunEvent
from finery.contracts.webhooks import MessageState, WebhookScope
from finery.domain.context import DomainContext
from finery.domain.runs.mapping import run_of
from finery.domain.webhooks.payloads import event_id, event_type, makers_of, message_id, to_text
from finery.kit.clock import TOLERANCE, utc_now
from finery.models import OutboxRow, RunRow, UserRow, WebhookMessageRow, WebhookRow


def has_news(session: Session) -> bool:
    return session.scalar(select(OutboxRow.id).where(OutboxRow.delivered_at.is_(None)).limit(1)) is not None


def fan_out(session: Session, context: DomainContext, *, limit: int) -> int:
    """Write the messages of the oldest `limit` events that nobody was told of; how many events there were.

    Events and messages change in this one transaction: whatever ends it early leaves both as they were.
    """
    untold = select(OutboxRow).where(OutboxRow.delivered_at.is_(None))
    found = session.scalars(untold.order_by(OutboxRow.id).limit(limit).with_for_update()).all()
    now = utc_now()
    targets = list(_targets(session, now)) if found else []
    runs = _runs_of(session, found) if targets else {}
    for news in found:
        news.delivered_at = now
        if news.run_number in runs:
            _tell(session, news, runs[news.run_number], targets, makers_of(context))
    session.flush()
    return len(found)


@dataclass(frozen=True)
class _Target:
    """A webhook that is to be told, and of whose runs."""

    number: int
    id: str
    owner_id: str | None
    sees_all: bool
    types: frozenset[str]
    since: datetime

    def wants(self, news: OutboxRow, run: Run) -> bool:
        """What happened before it was made is not its news."""
        return (self.sees_all or run.owner_id == self.owner_id) and news.created_at >= self.since


def _runs_of(session: Session, found: Sequence[OutboxRow]) -> dict[int, Run]:
    numbers = {news.run_number for news in found}
    return {row.number: run_of(row) for row in session.scalars(select(RunRow).where(RunRow.number.in_(numbers)))}


def _targets(session: Session, now: datetime) -> Iterator[_Target]:
    """Whose owner may log in; one for everyone's runs also needs an owner who may see them, now."""
    query = (
        select(WebhookRow, UserRow.is_active, UserRow.levels)
        .outerjoin(UserRow, UserRow.id == WebhookRow.owner_id)
        .where(WebhookRow.enabled)
        .order_by(WebhookRow.number)
    )
    for row, is_active, levels in session.execute(query):
        is_servers = row.owner_id is None
        may_all = is_servers or Permission.RUNS_ALL in permissions_of(Level(level) for level in levels)
        wants_all = row.scope == WebhookScope.ALL
        if (is_servers or is_active) and (may_all or not wants_all):
            # One that was made by a clock that was ahead would hear of nothing until then.
            since = row.created_at if row.created_at <= now + TOLERANCE else datetime.min.replace(tzinfo=UTC)
            yield _Target(row.number, row.id, row.owner_id, wants_all, frozenset(row.event_types), since)


def _tell(session: Session, news: OutboxRow, run: Run, targets: list[_Target], makers: tuple[EventMaker, ...]) -> None:
    for body in _bodies(news, run, makers):
        text = to_text(body.body)
        for target in targets:
            if body.type in target.types and target.wants(news, run):
                session.add(
                    WebhookMessageRow(
                        id=message_id(*_key(news), body.type, target.id),
                        webhook_number=target.number,
                        type=body.type,
                        payload=text,
                        is_test=False,
                        state=MessageState.PENDING,
                        attempts=0,
                        tries=0,
                        next_attempt_at=news.created_at,
                        created_at=news.created_at,
                    )
                )


def _bodies(news: OutboxRow, run: Run, makers: tuple[EventMaker, ...]) -> Iterator[EventBody]:
    type = event_type(news.type)
    if type is None:
        return
    event = RunEvent(event_id(*_key(news)), type, news.created_at, run)
    for maker in makers:
        body = maker.make(event)
        if body is not None:
            yield body


def _key(news: OutboxRow) -> tuple[object, ...]:
    """With the moment, since SQLite gives a deleted row's number to another."""
    return (news.id, news.type, news.created_at.isoformat(), news.run_number)
