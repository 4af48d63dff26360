"""Makes the snapshots for the rules at a bounded cost, and remembers of each live run what they look at."""

import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from finery.contracts.machine import Machine
from finery.contracts.run import EXTERNAL
from finery.contracts.status import RunStatus
from finery.domain.attention.learning_window import LearningWindow
from finery.domain.attention.snapshot import LiveRun, Snapshot, WaitingRun
from finery.domain.context import DomainContext
from finery.domain.device_leases import LOCAL_NODE, devices_of_runs
from finery.domain.runs.history import METRIC_EVENTS
from finery.kit.clock import epoch_now
from finery.models import EventRow, RunRow

RUNS_AT_ONCE = 100
"""So many runs' new events are read in one look; of more, those that have waited longest."""
EVENTS_AT_ONCE = 1000
"""So many of a run's newest events are read in one look. Of a faster run, those before are passed over."""
MOST_LIVE = 2000
MOST_TOO_LARGE = 100

Utilization = Callable[[], Mapping[int, int]]
"""Returns for each GPU for how many percent of the last moments it computed."""


class Observer:
    """Belongs to one thread. What it remembers can be lost: it is read again from the last events."""

    def __init__(self, context: DomainContext, utilization: Utilization) -> None:
        self._context = context
        self._utilization = utilization
        self._windows: dict[int, LearningWindow] = {}
        self._looked_at: dict[int, float] = {}
        self._idle_since: dict[int, float] = {}
        self._training_since: dict[tuple[int, int], float] = {}
        """When the first step was seen, by the numbers of the run and of its attempt."""

    def look(self, session: Session) -> Snapshot:
        machine = self._context.machine()
        rows = session.execute(_live()).all()
        self._forget_all_but({row.number for row in rows})
        self._read_new_events(session, {row.number: row.last_sequence for row in rows})
        self._note_training({row.number: row.attempt for row in rows})
        idle = self._idle_runs(session, machine) if rows else {}
        return Snapshot(
            at=epoch_now(),
            machine=machine,
            free_disk_bytes=shutil.disk_usage(self._context.home.path).free,
            live=tuple(self._live_run(row, self._idle_seconds(row, idle)) for row in rows),
            too_large=tuple(_too_large(session, machine)),
        )

    def _live_run(self, row: Any, idle_seconds: float) -> LiveRun:
        return LiveRun(
            number=row.number,
            attempt=row.attempt,
            recipe=row.recipe,
            stage=row.progress.get("stage"),
            lost_count=row.lost_count,
            window=self._windows[row.number],
            idle_seconds=idle_seconds,
        )

    def _forget_all_but(self, numbers: set[int]) -> None:
        self._windows = {number: self._windows.get(number) or LearningWindow() for number in numbers}
        self._looked_at = {number: self._looked_at.get(number, 0.0) for number in numbers}

    def _read_new_events(self, session: Session, newest: Mapping[int, int]) -> None:
        waiting = [number for number, sequence in newest.items() if sequence > self._windows[number].sequence]
        for number in sorted(waiting, key=lambda number: self._looked_at[number])[:RUNS_AT_ONCE]:
            window, after = self._windows[number], newest[number] - EVENTS_AT_ONCE
            query = select(EventRow.sequence, EventRow.type, EventRow.at, EventRow.attempt, EventRow.data).where(
                EventRow.run_number == number,
                EventRow.sequence > max(window.sequence, after),
                EventRow.sequence <= newest[number],
                EventRow.type.in_(METRIC_EVENTS),
            )
            for event in session.execute(query.order_by(EventRow.sequence)):
                window.add(event.sequence, event.type, event.at, event.attempt, event.data)
            window.sequence = newest[number]
            self._looked_at[number] = time.monotonic()

    def _note_training(self, attempts: Mapping[int, int]) -> None:
        now, before = time.monotonic(), self._training_since
        self._training_since = {
            (number, attempt): before.get((number, attempt), now)
            for number, attempt in attempts.items()
            if self._windows[number].attempt == attempt
        }

    def _idle_seconds(self, row: Any, idle: Mapping[int, float]) -> float:
        """Return for how long the run's GPUs were idle while its attempt trained, and not before it had them."""
        since = self._training_since.get((row.number, row.attempt))
        return 0.0 if since is None else min(idle.get(row.number, 0.0), time.monotonic() - since)

    def _idle_runs(self, session: Session, machine: Machine) -> dict[int, float]:
        """Return for how long the GPUs of each run have all been idle, in seconds."""
        if not machine.gpus:
            return {}
        now, busy = time.monotonic(), self._utilization()
        self._idle_since = {gpu: self._idle_since.get(gpu, now) for gpu, percent in busy.items() if percent == 0}
        gpus: dict[int, list[int]] = {}
        for device, number in devices_of_runs(session, LOCAL_NODE).items():
            kind, _, index = device.partition(":")
            if kind == "gpu":
                gpus.setdefault(number, []).append(int(index))
        return {
            number: min(now - self._idle_since.get(index, now) for index in indices) for number, indices in gpus.items()
        }


def _live() -> Any:
    columns = (RunRow.number, RunRow.attempt, RunRow.recipe, RunRow.progress, RunRow.lost_count, RunRow.last_sequence)
    return (
        select(*columns)
        .where(RunRow.status.in_((RunStatus.STARTING, RunStatus.RUNNING)), RunRow.recipe != EXTERNAL)
        .order_by(RunRow.number)
        .limit(MOST_LIVE)
    )


def _too_large(session: Session, machine: Machine) -> list[WaitingRun]:
    too_many_slots = and_(RunRow.gpus == 0, RunRow.cpu_slots > machine.cpu_slots)
    query = select(RunRow.number, RunRow.gpus, RunRow.cpu_slots).where(
        RunRow.status == RunStatus.QUEUED, or_(RunRow.gpus > len(machine.gpus), too_many_slots)
    )
    rows = session.execute(query.order_by(RunRow.number).limit(MOST_TOO_LARGE))
    return [WaitingRun(row.number, row.gpus or row.cpu_slots, is_gpu=row.gpus > 0) for row in rows]
