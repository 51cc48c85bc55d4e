"""Run by Alembic within the transaction of `records.database`."""

from alembic import context

from dicomweb_server.records.database import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,  # for the names of constraints
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
