"""Run by Alembic, on the connection that `database.History.upgrade` gives it."""

from alembic import context

from novaha.operate.database import METADATA, VERSIONS

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSIONS,
)
with context.begin_transaction():
    context.run_migrations()
