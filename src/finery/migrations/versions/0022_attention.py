"""attention: conditions that a person should see"""

import sqlalchemy as sa
from alembic import op

from finery.db.types import BigKey, UtcDateTime
from finery.migrations import repeatable

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    repeatable.create_table(
        "attention",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("run_number", BigKey, nullable=True),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_number"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    repeatable.create_index("ix_attention_run_number", "attention", ["run_number"])


def downgrade() -> None:
    op.drop_table("attention")
