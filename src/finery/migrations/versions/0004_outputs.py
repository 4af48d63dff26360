"""outputs: the runs that an output directory belongs to are found by its hash"""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

RUNS = sa.table("runs", sa.column("number"), sa.column("output_dir"), sa.column("output_hash"))
BATCH = 1000


def upgrade() -> None:
    op.add_column("runs", sa.Column("output_hash", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_runs_output_hash"), "runs", ["output_hash"], unique=False)
    number = 0
    while found := _next_outputs(number):
        number = found[-1]["run"]
        named = sa.update(RUNS).where(RUNS.c.number == sa.bindparam("run"))
        op.get_bind().execute(named.values(output_hash=sa.bindparam("hash")), found)


def downgrade() -> None:
    op.drop_index(op.f("ix_runs_output_hash"), table_name="runs")
    op.drop_column("runs", "output_hash")


def _next_outputs(number: int) -> list[dict[str, Any]]:
    query = (
        sa.select(RUNS.c.number, RUNS.c.output_dir)
        .where(RUNS.c.number > number, RUNS.c.output_dir.is_not(None))
        .order_by(RUNS.c.number)
        .limit(BATCH)
    )
    return [
        {"run": row.number, "hash": hashlib.sha256(row.output_dir.encode()).hexdigest()}
        for row in op.get_bind().execute(query)
    ]
