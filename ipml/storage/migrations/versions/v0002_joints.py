"""Columns by which a score knows how much of a seller's record it has counted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
compatible_from = "0001"

integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    add_record()


def downgrade() -> None:
    drop_record()


def add_record() -> None:
    op.add_column("listings", sa.Column("record_changes", integer, server_default="0", nullable=False))
    op.add_column("notice_items", sa.Column("joined_at", integer, nullable=True))


def drop_record() -> None:
    op.drop_column("notice_items", "joined_at")
    op.drop_column("listings", "record_changes")
