"""serving: engines on demand, restarts, leases of memory"""

import sqlalchemy as sa
from alembic import op

from finery.db.types import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deployments", sa.Column("on_demand", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("deployments", sa.Column("demand_key", sa.String(length=64), nullable=True))
    op.add_column("deployments", sa.Column("attempt", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.add_column("deployments", sa.Column("restart_at", UtcDateTime(), nullable=True))
    op.add_column("deployments", sa.Column("last_used_at", UtcDateTime(), nullable=True))
    op.create_index(op.f("ix_deployments_demand_key"), "deployments", ["demand_key"], unique=True)
    op.create_table(
        "engine_leases",
        sa.Column("deployment_id", sa.String(length=64), nullable=False),
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["deployment_id"], ["deployments.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("deployment_id"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index(op.f("ix_engine_leases_device"), "engine_leases", ["device"], unique=False)


def downgrade() -> None:
    op.drop_table("engine_leases")
    op.drop_index(op.f("ix_deployments_demand_key"), table_name="deployments")
    for column in ("on_demand", "demand_key", "attempt", "restart_at", "last_used_at"):
        op.drop_column("deployments", column)
