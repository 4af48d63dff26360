"""sweeps: runs that differ in some fields of their configuration"""

import sqlalchemy as sa
from alembic import op

from finery.db.types import BigKey, UtcDateTime
from finery.migrations import repeatable

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    repeatable.create_table(
        "sweeps",
        sa.Column("number", BigKey, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("shared", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("recipe", sa.String(length=32), nullable=False),
        sa.Column("grid", sa.JSON(), nullable=False),
        sa.Column("metric", sa.String(length=100), nullable=True),
        sa.Column("goal", sa.String(length=8), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("idempotency_key"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    repeatable.create_index("ix_sweeps_owner", "sweeps", ["owner_id", "number"])
    repeatable.add_column("runs", sa.Column("sweep_id", sa.String(length=64), nullable=True))
    repeatable.create_index("ix_runs_sweep_id", "runs", ["sweep_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_runs_sweep_id"), table_name="runs")
    op.drop_column("runs", "sweep_id")
    op.drop_table("sweeps")
