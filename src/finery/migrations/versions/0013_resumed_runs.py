"""runs: which ended run a run goes on from"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("resumed_from", sa.String(length=128), nullable=True))
    op.create_index("ix_runs_resumed_from", "runs", ["resumed_from"])


def downgrade() -> None:
    op.drop_index("ix_runs_resumed_from", table_name="runs")
    op.drop_column("runs", "resumed_from")
