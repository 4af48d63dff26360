"""runs: their last loss, and the index of lists"""

import sqlalchemy as sa
from alembic import op

from finery.migrations import repeatable

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

RUNS = sa.table(
    "runs",
    sa.column("number", sa.BigInteger),
    sa.column("status", sa.String),
    sa.column("progress", sa.JSON),
    sa.column("final_loss", sa.Double),
)
ENDED = ("succeeded", "failed", "cancelled")
INDEX = "ix_runs_list"
COLUMNS = [
    *("number", "owner_id", "shared", "status", "recipe", "source", "name", "id", "client_id"),
    *("final_loss", "created_at", "finished_at"),
]
BATCH = 1000


def upgrade() -> None:
    repeatable.add_column("runs", sa.Column("final_loss", sa.Double(), nullable=True))
    _fill_in()
    repeatable.create_index(INDEX, "runs", COLUMNS)


def downgrade() -> None:
    op.drop_index(INDEX, "runs")
    op.drop_column("runs", "final_loss")


def _fill_in() -> None:
    number = 0
    query = sa.select(RUNS.c.number, RUNS.c.progress).where(RUNS.c.status.in_(ENDED)).order_by(RUNS.c.number)
    changed = sa.update(RUNS).where(RUNS.c.number == sa.bindparam("run")).values(final_loss=sa.bindparam("loss"))
    while found := list(op.get_bind().execute(query.where(RUNS.c.number > number).limit(BATCH))):
        number = found[-1].number
        losses = {row.number: row.progress.get("loss") for row in found}
        rows = [{"run": run, "loss": loss} for run, loss in losses.items() if isinstance(loss, int | float)]
        if rows:
            op.get_bind().execute(changed, rows)
