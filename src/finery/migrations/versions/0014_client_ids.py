"""client ids: each owner chooses ids of their own, beside the one that every run has"""

import hashlib
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

RUNS = sa.table(
    "runs", *(sa.column(name) for name in ("number", "id", "source", "owner_id", "client_id", "client_key"))
)
CHOOSERS = ("registry", "native")
"""The dialects whose clients may choose; what has not the form of a drawn id was chosen."""
DRAWN = re.compile(r"[0-9a-f]{8}")
BATCH = 1000


def upgrade() -> None:
    op.add_column("runs", sa.Column("client_id", sa.String(length=128), nullable=True))
    op.add_column("runs", sa.Column("client_key", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_runs_client_id"), "runs", ["client_id"], unique=False)
    op.create_index(op.f("ix_runs_client_key"), "runs", ["client_key"], unique=True)
    number = 0
    while found := _next_runs(number):
        number = found[-1].number
        chosen = [_chosen(row) for row in found if row.source == "registry" or not DRAWN.fullmatch(row.id)]
        if chosen:
            named = sa.update(RUNS).where(RUNS.c.number == sa.bindparam("run"))
            named = named.values(client_id=sa.bindparam("chosen"), client_key=sa.bindparam("key"))
            op.get_bind().execute(named, chosen)


def downgrade() -> None:
    op.drop_index(op.f("ix_runs_client_key"), table_name="runs")
    op.drop_index(op.f("ix_runs_client_id"), table_name="runs")
    op.drop_column("runs", "client_key")
    op.drop_column("runs", "client_id")


def _next_runs(number: int) -> list[Any]:
    query = sa.select(RUNS.c.number, RUNS.c.id, RUNS.c.source, RUNS.c.owner_id).where(RUNS.c.number > number)
    query = query.where(RUNS.c.source.in_(CHOOSERS)).order_by(RUNS.c.number).limit(BATCH)
    return list(op.get_bind().execute(query))


def _chosen(row: Any) -> dict[str, Any]:
    key = hashlib.sha256(f"{row.owner_id or ''}\0{row.id}".encode()).hexdigest()
    return {"run": row.number, "chosen": row.id, "key": key}
