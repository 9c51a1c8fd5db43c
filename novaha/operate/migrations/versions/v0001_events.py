"""The events."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


TABLE = "novaha_event"

INDEXES = {
    "novaha_event_time": ["time"],
    "novaha_event_node": ["node", "time"],
    "novaha_event_instance": ["instance", "time"],
    "novaha_event_name": ["name"],
    "novaha_event_fence_id": ["fence_id"],
}


def upgrade() -> None:
    """Make the table.

    SQLite and MariaDB commit each statement: what a process that was killed has made is there.
    """
    if not sa.inspect(op.get_bind()).has_table(TABLE):
        _make_table()
    there = {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(TABLE)}
    for name, columns in INDEXES.items():
        if name not in there:
            op.create_index(name, TABLE, columns)


def _make_table() -> None:
    op.create_table(
        TABLE,
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("uid", sa.String(80), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("teller", sa.String(255), nullable=False),
        sa.Column("event", sa.String(64), nullable=False),
        sa.Column("node", sa.String(255)),
        sa.Column("instance", sa.String(64)),
        sa.Column("name", sa.String(255)),
        sa.Column("fence_id", sa.String(64)),
        sa.Column(
            "data",
            sa.Text()
            .with_variant(mysql.MEDIUMTEXT(), "mysql")
            .with_variant(mysql.MEDIUMTEXT(), "mariadb"),
            nullable=False,
        ),
        sa.UniqueConstraint("uid", name="novaha_event_uid"),
        mysql_charset="utf8mb4",
        mysql_engine="InnoDB",
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )
