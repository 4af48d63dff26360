"""first tables"""

import sqlalchemy as sa
from alembic import op

from finery.db.types import BigKey, LongText, UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deployments",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("slot", sa.String(length=64), nullable=True),
        sa.Column("model_name", LongText, nullable=False),
        sa.Column("model", LongText, nullable=False),
        sa.Column("engine", sa.String(length=32), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("error", LongText, nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("handle", sa.JSON(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("port"),
        sa.UniqueConstraint("slot"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", LongText, nullable=True),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("dataset_name", sa.String(length=500), nullable=False),
        sa.Column("training_yaml_name", sa.String(length=500), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "runs",
        sa.Column("number", BigKey, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("recipe", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("requested", sa.JSON(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("owner_id", sa.String(length=36), nullable=True),
        sa.Column("idempotency_key", sa.String(length=200), nullable=True),
        sa.Column("request_hash", sa.String(length=64), nullable=True),
        sa.Column("gpus", sa.Integer(), nullable=False),
        sa.Column("cpu_slots", sa.Integer(), nullable=False),
        sa.Column("gpus_requested", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("time_limit_seconds", sa.Double(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("intent", sa.String(length=16), nullable=True),
        sa.Column("controls", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("error", LongText, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=True),
        sa.Column("lost_count", sa.Integer(), nullable=False),
        sa.Column("events_offset", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.Integer(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.Column("model_name", LongText, nullable=True),
        sa.Column("dataset", LongText, nullable=True),
        sa.Column("output_dir", LongText, nullable=True),
        sa.Column("output_key", sa.String(length=64), nullable=True),
        sa.Column("log_file", LongText, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=True),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.Column("cleaned_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
        ),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("output_key"),
        sa.UniqueConstraint("source", "idempotency_key"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index("ix_runs_queue", "runs", ["status", "priority", "number"], unique=False)
    op.create_index("ix_runs_recipe", "runs", ["recipe", "number"], unique=False)
    op.create_table(
        "artifacts",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("run_number", BigKey, nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("path", LongText, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_number"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index(op.f("ix_artifacts_run_number"), "artifacts", ["run_number"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("run_number", BigKey, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("live_run", sa.BigInteger(), nullable=True),
        sa.Column("executor", sa.String(length=32), nullable=False),
        sa.Column("handle", sa.JSON(), nullable=True),
        sa.Column("exit", sa.JSON(), nullable=True),
        sa.Column("reason", sa.String(length=16), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["run_number"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_number", "number"),
        sa.UniqueConstraint("live_run"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "events",
        sa.Column("run_number", BigKey, nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_number"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_number", "sequence"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_table(
        "leases",
        sa.Column("device", sa.String(length=64), nullable=False),
        sa.Column("run_number", BigKey, nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["run_number"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("device"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index(op.f("ix_leases_run_number"), "leases", ["run_number"], unique=False)
    op.create_table(
        "logs",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("run_number", BigKey, nullable=False),
        sa.Column("timestamp", UtcDateTime(), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("message", LongText, nullable=False),
        sa.ForeignKeyConstraint(["run_number"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index(op.f("ix_logs_run_number"), "logs", ["run_number"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", BigKey, autoincrement=True, nullable=False),
        sa.Column("run_number", BigKey, nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("delivered_at", UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["run_number"], ["runs.number"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
    )
    op.create_index(op.f("ix_outbox_delivered_at"), "outbox", ["delivered_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_outbox_delivered_at"), table_name="outbox")
    op.drop_table("outbox")
    op.drop_index(op.f("ix_logs_run_number"), table_name="logs")
    op.drop_table("logs")
    op.drop_index(op.f("ix_leases_run_number"), table_name="leases")
    op.drop_table("leases")
    op.drop_table("events")
    op.drop_table("attempts")
    op.drop_index(op.f("ix_artifacts_run_number"), table_name="artifacts")
    op.drop_table("artifacts")
    op.drop_index("ix_runs_recipe", table_name="runs")
    op.drop_index("ix_runs_queue", table_name="runs")
    op.drop_table("runs")
    op.drop_table("projects")
    op.drop_table("deployments")
