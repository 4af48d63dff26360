"""leases: the pool and node of each device; the queue's index finds what fits"""

import sqlalchemy as sa
from alembic import op

from finery.db.types import BigKey, UtcDateTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

HERE = {"pool": "local", "node": "localhost"}


def upgrade() -> None:
    added = [sa.Column(name, sa.String(length=64), nullable=False, server_default=here) for name, here in HERE.items()]
    if op.get_bind().dialect.name == "sqlite":
        _recreate([*HERE, "device"], HERE)
    else:
        for column in added:
            op.add_column("leases", column)
        _change_key([*HERE, "device"])
        for name in HERE:
            op.alter_column("leases", name, existing_type=sa.String(length=64), nullable=False, server_default=None)
    _change_index(["status", "gpus", "cpu_slots", "priority", "number"])


def downgrade() -> None:
    _change_index(["status", "priority", "number"])
    # The older version knows the devices of its own machine only.
    op.execute("DELETE FROM leases WHERE pool <> 'local'")
    if op.get_bind().dialect.name == "sqlite":
        _recreate(["device"], {})
    else:
        _change_key(["device"])
        for name in HERE:
            op.drop_column("leases", name)


def _change_key(columns: list[str]) -> None:
    # In one statement: between two, nothing would keep a device from being leased twice.
    old = "CONSTRAINT leases_pkey" if op.get_bind().dialect.name == "postgresql" else "PRIMARY KEY"
    op.execute(f"ALTER TABLE leases DROP {old}, ADD PRIMARY KEY ({', '.join(columns)})")


def _recreate(key: list[str], added: dict[str, str]) -> None:
    """Make the table anew with another key, since SQLite cannot change one. It is one transaction there."""
    old = sa.table("leases", *(sa.column(name) for name in ("device", "run_number", "created_at")))
    rows = op.get_bind().execute(sa.select(old)).mappings().all()
    op.drop_table("leases")
    leases = op.create_table(
        "leases",
        *(sa.Column(name, sa.String(length=64), nullable=False) for name in key),
        sa.Column("run_number", BigKey, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_number"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*key),
    )
    op.create_index(op.f("ix_leases_run_number"), "leases", ["run_number"], unique=False)
    copied = sa.table("leases", *(sa.column(column.name) for column in leases.columns))
    op.bulk_insert(copied, [{**added, **row} for row in rows])


def _change_index(columns: list[str]) -> None:
    op.drop_index("ix_runs_queue", table_name="runs")
    op.create_index("ix_runs_queue", "runs", columns)
