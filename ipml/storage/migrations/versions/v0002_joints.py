"""Columns by which scores count a seller's record and notices find a listing by address; indexes for jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
compatible_from = "0001"

integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Of rows that go with a case or a seller.
KEYED = (("bands", "case_id"), ("seller_list_entries", "pseudonym"), ("seller_proposals", "pseudonym"))


def upgrade() -> None:
    add_record()
    add_addresses()
    add_indexes()


def downgrade() -> None:
    drop_indexes()
    drop_addresses()
    drop_record()


def add_record() -> None:
    op.add_column("listings", sa.Column("record_changes", integer, server_default="0", nullable=False))
    op.add_column("notice_items", sa.Column("joined_at", integer, nullable=True))


def drop_record() -> None:
    op.drop_column("notice_items", "joined_at")
    op.drop_column("listings", "record_changes")


def add_addresses() -> None:
    op.add_column("listings", sa.Column("url_digest", sa.Text, nullable=True))
    op.create_index(op.f("ix_listings_url_digest"), "listings", ["url_digest"], unique=False)


def drop_addresses() -> None:
    op.drop_index(op.f("ix_listings_url_digest"), table_name="listings")
    op.drop_column("listings", "url_digest")


def add_indexes() -> None:
    for table, column in KEYED:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def drop_indexes() -> None:
    for table, column in KEYED:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
