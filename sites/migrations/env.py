"""Runs the steps on the connection that `sites.migrate` has opened, in its transaction. Alembic loads this file."""

from alembic import context

from sites.models import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
