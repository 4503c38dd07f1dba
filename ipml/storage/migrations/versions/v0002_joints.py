"""Columns by which jobs find rows, each with an index."""

from alembic import op

revision = "0002"
down_revision = "0001"
compatible_from = "0001"

# Of rows that go with a case or a seller.
KEYED = (("bands", "case_id"), ("seller_list_entries", "pseudonym"), ("seller_proposals", "pseudonym"))


def upgrade() -> None:
    add_indexes()


def downgrade() -> None:
    drop_indexes()


def add_indexes() -> None:
    for table, column in KEYED:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def drop_indexes() -> None:
    for table, column in KEYED:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
