"""One server serves a database at a time: it holds a lease, which it renews, and which another takes over only when it
has run out. Every taking draws a higher token, by which a server that slept through it knows that it was replaced."""

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
"""For which a server may rely on its last renewal without asking: short of the lease by more than clocks differ."""
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
    """Another server has taken the lease over: whatever this one was about to write is not its to write any more."""

    def __init__(self) -> None:
        super().__init__("another server has taken over the database")


class ServerLease:
    """This server's. Until it was taken, nothing is checked: the scheduler of a test has its database for itself."""

    def __init__(self) -> None:
        self._token: int | None = None
        self._sure_until = 0.0

    def take(self, session: Session, holder: Holder, *, is_alone: bool) -> None:
        """Take the lease, or take it over: when it has run out or was given back; at once from the same home under the
        same boot, whose lock the caller holds, so that who held it is dead; and where the caller `is_alone` by other
        means. Raises LeaseHeld.
        """
        asked = uptime()
        row, now = _lock(session), _now(session)
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
        self._token, self._sure_until = row.token, math.inf if is_alone else asked + SURE_SECONDS

    def renew(self, connection: Connection) -> None:
        """Also when it ran out meanwhile and nobody took it. Raises LeaseLost."""
        asked = uptime()
        if not self._extend(connection, _sql_now(connection) + LEASE_SECONDS):
            raise LeaseLost
        self._sure_until = asked + SURE_SECONDS

    def give_back(self, connection: Connection) -> None:
        """So that the next server need not wait. Silent when another has it."""
        self._extend(connection, literal_column("0"))
        self._token = None

    def check(self, session: Session) -> None:
        """Keep the lease from being taken over until the session's transaction ends. Raises LeaseLost."""
        if self._token is None:
            return
        query = select(ServerLeaseRow.token).where(ServerLeaseRow.id == ONLY_ROW).with_for_update(read=True)
        if session.scalar(query) != self._token:
            raise LeaseLost

    def check_unless_sure(self, session: Session) -> None:
        """Before a commit, to which a server that was stopped, as by SIGSTOP, may come too late. Raises LeaseLost.

        The clock says so in no time, where to ask in each transaction would cost a way to the database. What is left is
        a stop of more than LEASE_SECONDS - SURE_SECONDS between this look and the commit that follows at once.
        """
        if not self.is_sure:
            self.check(session)

    def confirm(self, database: Database) -> None:
        """Ask the database whether it still holds, unless it certainly does. Raises LeaseLost."""
        if not self.is_sure:
            with database.read() as session:
                self.check(session)

    @property
    def is_sure(self) -> bool:
        """Whether it certainly holds now. False after a sleep: then the database has to be asked."""
        return self._token is None or uptime() < self._sure_until

    def _extend(self, connection: Connection, until: ColumnElement[float]) -> bool:
        mine = update(ServerLeaseRow).where(ServerLeaseRow.id == ONLY_ROW, ServerLeaseRow.token == self._token)
        return connection.execute(mine.values(expires_at=until)).rowcount == 1


def lock_settled_home(session: Session) -> ServerLeaseRow:
    """The row; `settled_home_id` says where what is live in the database has its processes."""
    return _lock(session)


def _lock(session: Session) -> ServerLeaseRow:
    insert_or_leave(session, ServerLeaseRow, {"id": ONLY_ROW, "token": 0, "expires_at": 0.0})
    return session.get_one(ServerLeaseRow, ONLY_ROW, with_for_update=True, populate_existing=True)


def _now(session: Session) -> float:
    # A statement of its own: the row's lock may have been waited for.
    return float(session.scalar(select(_sql_now(session.connection()))) or 0.0)


def _sql_now(connection: Connection) -> ColumnElement[float]:
    return literal_column(_NOW[connection.dialect.name])
