"""Which devices are held: by runs and engines, of each node of each pool."""

from dataclasses import dataclass

from sqlalchemy import Select, String, column, select, table
from sqlalchemy.orm import Session

from finery.models import EngineLeaseRow, LeaseRow

LEASE_LOCK: Select[str] = select(column("version_num", String)).select_from(table("alembic_version")).with_for_update()
"""Locks the one row that every database of ours has: no two take the same GPU, or the same memory, at once."""


@dataclass(frozen=True)
class Node:
    """A machine whose devices are leased."""

    pool: str
    name: str


# No host name: that may change under processes that live on.
LOCAL_NODE = Node(pool="local", name="localhost")
"""The machine that the server runs on. Engines are started here alone."""


def held_by_runs(session: Session, node: Node) -> dict[str, int]:
    """Device → number of the run."""
    query = select(LeaseRow.device, LeaseRow.run_number).where(LeaseRow.pool == node.pool, LeaseRow.node == node.name)
    return {row.device: row.run_number for row in session.execute(query)}


def held(session: Session, node: Node) -> set[str]:
    """Also devices of which engines hold a part: a run shares its own with none."""
    engines = session.scalars(select(EngineLeaseRow.device)) if node == LOCAL_NODE else ()
    return {*held_by_runs(session, node), *engines}
