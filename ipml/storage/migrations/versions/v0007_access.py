"""When a session was last used, tries to log in, and who people are elsewhere."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

_KEPT = "token_hash, user_id, created_at, expires_at"


def upgrade() -> None:
    rows = _take_sessions()
    _make_sessions(sa.Column("seen_at", moment, nullable=False))
    _give_back([{**row, "seen_at": row["created_at"]} for row in rows])
    op.create_table(
        "tries",
        sa.Column("try_id", identity, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("name_hash", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("try_id", name="pk_tries"),
        sqlite_strict=True,
    )
    op.create_index("ix_tries_at", "tries", ["at"])
    op.create_index("ix_tries_address_at", "tries", ["address", "at"])
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("user_id", identity, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "subject", name="pk_identities"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_identities_user_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_identities_user_id", "identities", ["user_id"])


def downgrade() -> None:
    for table in ("identities", "tries"):
        op.drop_table(table)
    rows = _take_sessions()
    _make_sessions()
    _give_back(rows)


# The table is made anew, with its few rows: a column added later would stand elsewhere than in the table of the code.
def _take_sessions() -> list[dict[str, Any]]:
    rows = [dict(row) for row in op.get_bind().execute(sa.text(f"SELECT {_KEPT} FROM sessions")).mappings()]  # noqa: S608 - own names
    op.drop_table("sessions")
    return rows


def _make_sessions(*more: sa.Column[Any]) -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("user_id", identity, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        *more,
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name="fk_sessions_user_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])


def _give_back(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        op.get_bind().execute(sa.text(f"INSERT INTO sessions ({names}) VALUES ({values})"), row)  # noqa: S608 - own names
