"""The versions of the history's tables, for Alembic."""
