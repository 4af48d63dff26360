"""Alembic's environment script: runs the migrations on the connection that `upgrade` opened."""

from alembic import context

from finery import models
from finery.db import Base

assert models.RunRow.metadata is Base.metadata
context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
