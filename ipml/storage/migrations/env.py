"""Migration environment: runs the steps in the transaction of the caller, `ipml.storage.database.migrate`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
