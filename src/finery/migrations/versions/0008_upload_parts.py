"""upload parts: their hashes, and how often each was answered with"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("upload_parts", sa.Column("sha256", sa.String(length=64), nullable=True))
    op.add_column("upload_parts", sa.Column("answers", sa.Integer(), server_default=sa.text("1"), nullable=False))


def downgrade() -> None:
    for column in ("sha256", "answers"):
        op.drop_column("upload_parts", column)
