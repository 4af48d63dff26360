"""Looks up which devices of a node are leased to runs and engines; LEASE_LOCK makes leasing exclusive."""

from dataclasses import dataclass

from sqlalchemy import Select, String, column, select, table
from sqlalchemy.orm import Session

from finery.models import EngineLeaseRow, LeaseRow

LEASE_LOCK: Select[str] = select(column("version_num", String)).select_from(table("alembic_version")).with_for_update()
"""Locks the one row that each of our databases has: no two transactions lease the same GPU or memory at once."""


@dataclass(frozen=True)
class Node:
    """A machine whose devices are leased."""

    pool: str
    name: str


# Not the host name: it may change while processes live on.
LOCAL_NODE = Node(pool="local", name="localhost")
"""The machine that the server runs on. Engines are started here alone."""


def devices_of_runs(session: Session, node: Node) -> dict[str, int]:
    """Return the leased devices of a node, each with the number of its run."""
    query = select(LeaseRow.device, LeaseRow.run_number).where(LeaseRow.pool == node.pool, LeaseRow.node == node.name)
    return {row.device: row.run_number for row in session.execute(query)}


def leased_devices(session: Session, node: Node) -> set[str]:
    """Return the devices of runs, and those that engines use in part: a run shares its devices with none."""
    engines = session.scalars(select(EngineLeaseRow.device)) if node == LOCAL_NODE else ()
    return {*devices_of_runs(session, node), *engines}
