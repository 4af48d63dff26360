"""What is stored, seen and told of the conditions of runs in a database."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from finery.contracts.attention import Attention
from finery.contracts.events import EventType, TrainerEvent
from finery.contracts.permissions import LOCAL_ADMINISTRATOR, Level, Principal, permissions_of
from finery.contracts.run import Resources
from finery.contracts.status import Reason
from finery.contracts.webhooks import NewWebhook
from finery.db import Database
from finery.domain import attention, runs, webhooks
from finery.domain.attention.observation import EVENTS_AT_ONCE, Observer
from finery.domain.context import DomainContext
from finery.domain.runs import attempts, claims
from finery.domain.runs.attempts import AttemptRef
from finery.domain.runs.errors import RunNotFound
from finery.kit.clock import utc_now
from finery.models import AttentionRow, RunRow, WebhookMessageRow
from finery.scheduler.attention_keeper import AttentionKeeper
from tests import builders
from tests.domain.accounts import people

TRAINING = TrainerEvent(type=EventType.STAGE, at=1.0, data={"stage": "training"})
ALL_EVENTS = ["attention.opened", "attention.resolved"]


@pytest.fixture
def context(home: Path) -> DomainContext:
    return builders.context(home)


@pytest.fixture
def root(database: Database) -> Principal:
    return Principal(people.first_admin(database).id, "root", permissions_of([Level.ADMIN]))


@pytest.fixture
def ann(database: Database, root: Principal) -> Principal:
    return Principal(people.user(database, "ann").id, "ann", permissions_of([Level.RESEARCHER]))


@pytest.fixture
def bob(database: Database, root: Principal) -> Principal:
    return Principal(people.user(database, "bob").id, "bob", permissions_of([Level.RESEARCHER]))


@pytest.fixture(autouse=True)
def enough_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the disk of this machine has left."""
    monkeypatch.setattr("finery.domain.attention.rules.LEAST_DISK_BYTES", 0)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def started(database: Database, home: Path, run_id: str, actor: Principal = LOCAL_ADMINISTRATOR) -> AttemptRef:
    with database.write() as session:
        runs.create(session, builders.sft(home, id=run_id), builders.context(home), actor)
    with database.write() as session:
        claim = claims.claim_next(session, builders.machine(cpu_slots=8), executor="local", max_passed=1)
        assert claim is not None
        attempts.mark_running(session, claim.ref, utc_now().timestamp())
    return claim.ref


def claimed(database: Database, context: DomainContext) -> AttemptRef:
    with database.write() as session:
        claim = claims.claim_next(session, context.machine(), executor="local", max_passed=1)
        assert claim is not None
    return claim.ref


def tell(database: Database, ref: AttemptRef, *steps: Mapping[str, Any]) -> None:
    with database.write() as session:
        offset = session.scalars(select(RunRow.events_offset).where(RunRow.number == ref.run_number)).one()
        events = [TrainerEvent(type=EventType.PROGRESS, at=1.0, data=dict(step)) for step in steps]
        assert attempts.record_events(session, ref, start=offset, end=offset + 1, events=events)


def end(database: Database, ref: AttemptRef) -> None:
    with database.write() as session:
        assert attempts.finish(session, ref, reason=Reason.ERROR, message="why", ending=None, max_lost=0)


def listed(database: Database, actor: Principal = LOCAL_ADMINISTRATOR) -> list[Attention]:
    with database.read() as session:
        return attention.list_open(session, actor)


def messages(database: Database) -> list[tuple[str, Any]]:
    with database.read() as session:
        rows = session.scalars(select(WebhookMessageRow).order_by(WebhookMessageRow.number))
        return [(row.type, json.loads(row.payload)["data"]) for row in rows]


def hook(database: Database, context: DomainContext, actor: Principal, **fields: Any) -> None:
    new = NewWebhook(url="https://hooks.example.org/", event_types=ALL_EVENTS, **fields)
    with database.write() as session:
        webhooks.create(session, new, context, actor)


@pytest.mark.every_database
class TestKeeper:
    def test_appears_and_goes(self, database: Database, home: Path, context: DomainContext) -> None:
        ref, clock = started(database, home, "r"), Clock()
        keeper = AttentionKeeper(database, context, uptime=clock)
        keeper.work()
        assert listed(database) == []
        tell(database, ref, {"step": 1, "loss": 2.0}, {"step": 2, "loss": None})
        keeper.work()
        (found,) = listed(database)
        assert (found.code, found.severity, found.message) == (
            "loss_not_finite",
            "error",
            "the loss is NaN or infinite at step 2",
        )
        assert found.run is not None
        assert found.run.id == "r"
        tell(database, ref, {"step": 3, "loss": 1.9})
        keeper.work()
        assert len(listed(database)) == 1, "the next one may be NaN again"
        clock.now = 60.0
        keeper.work()
        assert listed(database) == []

    def test_is_told_once_also_by_another_server(self, database: Database, home: Path, context: DomainContext) -> None:
        hook(database, context, LOCAL_ADMINISTRATOR)
        ref = started(database, home, "r")
        tell(database, ref, {"step": 1, "loss": None})
        for _ in range(2):
            keeper = AttentionKeeper(database, context)
            keeper.work()
            keeper.work()
        end(database, ref)
        AttentionKeeper(database, context).work()
        AttentionKeeper(database, context).work()
        told = messages(database)
        assert [type for type, _ in told] == ALL_EVENTS
        assert {data["run"]["id"] for _, data in told} == {"r"}
        assert {data["code"] for _, data in told} == {"loss_not_finite"}
        assert told[0][1]["since"] == told[1][1]["since"]

    def test_what_comes_and_goes_is_told_once(self, database: Database, home: Path, context: DomainContext) -> None:
        ref, clock = started(database, home, "r"), Clock()
        keeper = AttentionKeeper(database, context, uptime=clock)
        tell(database, ref, *({"step": step, "loss": 0.0} for step in range(5)))
        keeper.work()
        tell(database, ref, {"step": 6, "loss": 1.0})
        clock.now = 59.0
        keeper.work()
        assert [each.code for each in listed(database)] == ["loss_zero"]
        clock.now = 200.0
        keeper.work()
        keeper.work()
        assert listed(database) == []

    def test_a_run_that_is_too_large_for_the_machine(
        self, database: Database, home: Path, context: DomainContext
    ) -> None:
        wide = builders.command(id="wide", resources=Resources(gpus=2))
        with database.write() as session:
            runs.create(session, wide, builders.context(home, gpus=2), LOCAL_ADMINISTRATOR)
        AttentionKeeper(database, builders.context(home, gpus=1)).work()
        assert [each.message for each in listed(database)] == ["it waits for 2 GPUs, and this machine has 1"]
        AttentionKeeper(database, builders.context(home, gpus=2)).work()
        assert listed(database) == []

    def test_a_rule_of_another_version(self, database: Database, context: DomainContext) -> None:
        with database.write() as session:
            session.add(AttentionRow(id="att_1", code="unheard", run_number=None, values={}, opened_at=utc_now()))
        assert listed(database) == []
        AttentionKeeper(database, context).work()
        with database.read() as session:
            assert attention.open_ids(session) == {}


class TestWhoseItIs:
    def test_seen_by_owner_and_administrator(
        self, database: Database, home: Path, context: DomainContext, ann: Principal, bob: Principal, root: Principal,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr("finery.domain.attention.rules.LEAST_DISK_BYTES", 2**80)
        for actor, scope in ((ann, "mine"), (bob, "mine"), (root, "all")):
            hook(database, context, actor, scope=scope)
        ref = started(database, home, "of-ann", ann)
        tell(database, ref, {"step": 1, "loss": None})
        AttentionKeeper(database, context).work()
        seen = {actor.name: [each.code for each in listed(database, actor)] for actor in (ann, bob, root)}
        assert seen == {"ann": ["loss_not_finite"], "bob": [], "root": ["loss_not_finite", "disk_low"]}
        codes = sorted(data["code"] for _, data in messages(database))
        assert codes == ["disk_low", "loss_not_finite", "loss_not_finite"]
        with database.read() as session:
            assert [each.code for each in attention.list_for_run(session, "of-ann", ann)] == ["loss_not_finite"]
            with pytest.raises(RunNotFound):
                attention.list_for_run(session, "of-ann", bob)

    def test_a_shared_run_is_its_owners_to_mend(
        self, database: Database, home: Path, context: DomainContext, ann: Principal, bob: Principal
    ) -> None:
        ref = started(database, home, "of-ann", ann)
        tell(database, ref, {"step": 1, "loss": None})
        with database.write() as session:
            session.execute(update(RunRow).values(shared=True))
        AttentionKeeper(database, context).work()
        assert listed(database, bob) == []
        with database.read() as session:
            assert len(attention.list_for_run(session, "of-ann", bob)) == 1


class TestObserver:
    def test_reads_each_event_once_and_of_many_the_newest(
        self, database: Database, home: Path, context: DomainContext
    ) -> None:
        ref = started(database, home, "r")
        observer = Observer(context, dict)
        tell(database, ref, *({"step": step, "loss": 1.0} for step in range(EVENTS_AT_ONCE + 500)))
        with database.read() as session:
            window = observer.look(session).live[0].window
        assert len(window.losses.means) * window.losses.stretch == EVENTS_AT_ONCE
        tell(database, ref, {"step": 9999, "loss": 1.0})
        with database.read() as session:
            window = observer.look(session).live[0].window
        assert window.step == 9999
        assert len(window.losses.means) * window.losses.stretch + len(window.losses._open) == EVENTS_AT_ONCE + 1

    def test_for_how_long_all_gpus_of_a_run_are_idle(self, database: Database, home: Path) -> None:
        context = builders.context(home, gpus=2)
        with database.write() as session:
            runs.create(session, builders.command(id="r", resources=Resources(gpus=2)), context, LOCAL_ADMINISTRATOR)
        ref = claimed(database, context)
        percent = {0: 0, 1: 0}
        observer = Observer(context, lambda: percent)

        def idle() -> float:
            with database.read() as session:
                return observer.look(session).live[0].idle_seconds

        assert idle() == 0.0
        assert idle() == 0.0, "it trains no step yet"
        tell(database, ref, {"step": 1, "loss": 2.0})
        idle()
        assert idle() > 0.0
        percent[1] = 3
        assert idle() == 0.0
        percent[1] = 0
        idle()
        assert idle() > 0.0
        with database.write() as session:
            attempts.give_back(session, ref, None)
        claimed(database, context)
        assert idle() == 0.0, "that was the attempt before"

    def test_a_new_attempt_is_not_silent_since_the_one_before(
        self, database: Database, home: Path, context: DomainContext
    ) -> None:
        ref = started(database, home, "r")
        tell(database, ref, {"step": 1, "loss": 2.0}, {"step": 2, "loss": 2.0})
        with database.write() as session:
            attempts.record_events(session, ref, start=1, end=2, events=[TRAINING])
        keeper = AttentionKeeper(database, context)
        keeper.work()
        assert [each.code for each in listed(database)] == ["run_silent"]
        with database.write() as session:
            attempts.give_back(session, ref, None)
        claimed(database, context)
        for again in (keeper, AttentionKeeper(database, context)):
            again.work()
            assert listed(database) == []

    def test_forgets_runs_that_have_ended(self, database: Database, home: Path, context: DomainContext) -> None:
        ref = started(database, home, "r")
        observer = Observer(context, dict)
        with database.read() as session:
            assert len(observer.look(session).live) == 1
        end(database, ref)
        with database.read() as session:
            assert observer.look(session).live == ()
        assert observer._windows == {}


def test_moments_have_their_zone(database: Database, home: Path, context: DomainContext) -> None:
    ref = started(database, home, "r")
    tell(database, ref, {"step": 1, "loss": None})
    AttentionKeeper(database, context).work()
    since: datetime = listed(database)[0].since
    assert since.tzinfo is not None
