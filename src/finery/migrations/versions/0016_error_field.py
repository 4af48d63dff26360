"""runs: which field of the configuration an error is about"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("runs", sa.Column("error_field", sa.String(length=200), nullable=True))
    # Until now only the error's first words told.
    runs = sa.table("runs", sa.column("reason"), sa.column("error"), sa.column("error_field"))
    for field, condition in (
        ("dataset_path", ~runs.c.error.like("eval\\_dataset\\_path: %", escape="\\")),
        ("eval_dataset_path", runs.c.error.like("eval\\_dataset\\_path: %", escape="\\")),
    ):
        op.execute(runs.update().where(runs.c.reason == "invalid_data", condition).values(error_field=field))


def downgrade() -> None:
    op.drop_column("runs", "error_field")
