"""uploads of datasets: where in the file a part lies, and which dataset the file became"""

import sqlalchemy as sa
from alembic import op

from finery.migrations import repeatable

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    repeatable.add_column("uploads", sa.Column("dataset_id", sa.String(length=36), nullable=True))
    repeatable.add_column("upload_parts", sa.Column("start", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("upload_parts", "start")
    op.drop_column("uploads", "dataset_id")
