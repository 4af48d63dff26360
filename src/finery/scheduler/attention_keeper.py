"""The attention loop: looks at live runs, the queue and the machine, and stores what a person should see."""

import time
from collections.abc import Callable

from finery.db import Database
from finery.domain import attention
from finery.domain.attention import RULES, Finding, Observer, attention_id, findings_of
from finery.domain.attention.snapshot import Snapshot
from finery.domain.context import DomainContext
from finery.kit.clock import utc_now
from finery.kit.machine import gpu_utilization

LOOK_SECONDS = 5.0


class AttentionKeeper:
    def __init__(
        self,
        database: Database,
        context: DomainContext,
        *,
        uptime: Callable[[], float] = time.monotonic,
        observer: Observer | None = None,
    ) -> None:
        self._database = database
        self._context = context
        self._uptime = uptime
        self._observer = observer or Observer(context, gpu_utilization)
        self._seen_at: dict[str, float] = {}
        """When each condition that is stored was last seen to hold; one from before this start, as if at the start."""

    def work(self) -> float:
        with self._database.read() as session:
            snapshot = self._observer.look(session)
            stored = attention.open_ids(session)
        found = {attention_id(finding): finding for finding in findings_of(snapshot)}
        opened = {id: finding for id, finding in found.items() if id not in stored}
        resolved = self._resolved(snapshot, found, stored)
        if opened or resolved:
            with self._database.write() as session:
                self._context.live.lease.check(session)
                attention.settle(session, opened, resolved, utc_now())
        return LOOK_SECONDS

    def _resolved(
        self, snapshot: Snapshot, found: dict[str, Finding], stored: dict[str, tuple[str, int | None]]
    ) -> list[str]:
        """Returns what holds no longer: at once of a run that has ended, else after its rule's time."""
        now = self._uptime()
        self._seen_at = {id: now if id in found else self._seen_at.get(id, now) for id in {*stored, *found}}
        return [
            id
            for id, (code, run_number) in stored.items()
            if id not in found
            and (
                code not in RULES
                or (run_number is not None and run_number not in snapshot.run_numbers)
                or now - self._seen_at[id] >= RULES[code].linger_seconds
            )
        ]
