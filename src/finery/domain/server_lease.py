"""The lease by which one server at a time uses a database.

The server renews it, and another takes it over only when it has run out. Its token rises each time that it is taken,
from which a server that slept through the end of its lease learns that it was replaced.
"""

import math
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, literal_column, select, update
from sqlalchemy.orm import Session

from finery.db import Database
from finery.db.upserts import insert_or_leave
from finery.kit.processes import uptime
from finery.models import ServerLeaseRow

LEASE_SECONDS = 15.0
SURE_SECONDS = 10.0
"""How long a server may rely on its last renewal without a query: shorter than the lease by more than clocks differ."""
ONLY_ROW = 1

_NOW = {
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "extract(epoch FROM clock_timestamp())",
    "mysql": "timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) / 1e6",
    "mariadb": "timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) / 1e6",
}
"""The database's clock in epoch seconds: machines' clocks differ, and a lease is between machines."""


@dataclass(frozen=True)
class Holder:
    """A server that takes the lease."""

    description: str
    home_id: str
    boot_id: str


class LeaseHeld(Exception):
    """Another server has the lease. The message names it."""

    def __init__(self, holder: str, seconds_left: float, *, is_same_home: bool) -> None:
        super().__init__(f"it is served by {holder}")
        self.seconds_left = seconds_left
        self.is_same_home = is_same_home


class LeaseLost(Exception):
    """Another server has taken the lease over, so that this one may not write any more."""

    def __init__(self) -> None:
        super().__init__("another server has taken over the database")


class ServerLease:
    """This server's lease. Before `take` nothing is checked: a test's scheduler has its database for itself."""

    def __init__(self) -> None:
        self._token: int | None = None
        self._sure_until = 0.0

    def take(self, session: Session, holder: Holder, *, is_alone: bool) -> None:
        """Take the lease when it has run out or was given back, or take it over at once.

        That is right from a server of the same home under the same boot: the caller holds the home's lock, so that the
        other is dead. It is right as well where the caller knows by other means that it `is_alone`. Raises LeaseHeld.
        """
        # The clock before the query: the lease runs from some moment after it.
        queried_at = uptime()
        row = lock_lease_row(session)
        # A statement of its own, after the lock: the transaction may have waited for that.
        now = float(session.scalar(select(_sql_now(session.connection()))) or 0.0)
        is_heir = (row.home_id, row.boot_id) == (holder.home_id, holder.boot_id)
        if row.expires_at > now and not is_heir and not is_alone:
            raise LeaseHeld(
                row.holder or "another server",
                row.expires_at - now,
                is_same_home=row.home_id == holder.home_id,
            )
        row.token += 1
        row.holder, row.home_id, row.boot_id = holder.description, holder.home_id, holder.boot_id
        row.expires_at = now + LEASE_SECONDS
        self._token, self._sure_until = row.token, math.inf if is_alone else queried_at + SURE_SECONDS

    def renew(self, connection: Connection) -> None:
        """Extend the lease, also when it ran out meanwhile and nobody took it. Raises LeaseLost."""
        queried_at = uptime()
        if not self._extend(connection, _sql_now(connection) + LEASE_SECONDS):
            raise LeaseLost
        self._sure_until = queried_at + SURE_SECONDS

    def give_back(self, connection: Connection) -> None:
        """End the lease, so that the next server need not wait. Does nothing when another server has it."""
        self._extend(connection, literal_column("0"))
        self._token = None

    def check(self, session: Session) -> None:
        """Lock the lease against a take-over until the session's transaction ends. Raises LeaseLost."""
        if self._token is None:
            return
        query = select(ServerLeaseRow.token).where(ServerLeaseRow.id == ONLY_ROW).with_for_update(read=True)
        if session.scalar(query) != self._token:
            raise LeaseLost

    def check_before_commit(self, session: Session) -> None:
        """Check the lease before a commit, which a server that was stopped, as by SIGSTOP, may reach too late.

        The clock tells so at once, where a query in each transaction would cost a round trip. What remains is a stop of
        more than LEASE_SECONDS - SURE_SECONDS between this check and the commit that follows. Raises LeaseLost.
        """
        if not self.is_sure:
            self.check(session)

    def confirm(self, database: Database) -> None:
        """Query whether the lease still holds, unless it certainly does. Raises LeaseLost."""
        if not self.is_sure:
            with database.read() as session:
                self.check(session)

    @property
    def is_sure(self) -> bool:
        """Whether the lease certainly holds now. After a sleep it is False, and the database has to be queried."""
        return self._token is None or uptime() < self._sure_until

    def _extend(self, connection: Connection, until: ColumnElement[float]) -> bool:
        query = update(ServerLeaseRow).where(ServerLeaseRow.id == ONLY_ROW, ServerLeaseRow.token == self._token)
        return connection.execute(query.values(expires_at=until)).rowcount == 1


def lock_lease_row(session: Session) -> ServerLeaseRow:
    """Return the lease's row, locked; `settled_home_id` names the home that has the processes of live runs."""
    insert_or_leave(session, ServerLeaseRow, {"id": ONLY_ROW, "token": 0, "expires_at": 0.0})
    return session.get_one(ServerLeaseRow, ONLY_ROW, with_for_update=True, populate_existing=True)


def _sql_now(connection: Connection) -> ColumnElement[float]:
    return literal_column(_NOW[connection.dialect.name])
