"""Columns that say how a listing matched what had been found counterfeit, with indexes of the matched."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
compatible_from = "0001"

real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
MATCHED = {
    "ix_cases_matched": ["state", "case_id"],
    "ix_cases_matched_seller": ["seller_id", "case_id"],
    "ix_cases_matched_with": ["relisting_of", "case_id"],
}


def upgrade() -> None:
    add_matches()


def downgrade() -> None:
    drop_matches()


def add_matches() -> None:
    op.add_column("cases", sa.Column("match_kind", sa.Text(), nullable=True))
    op.add_column("cases", sa.Column("match_precision", real, nullable=True))
    is_matched = sa.text("match_kind IS NOT NULL")
    for name, columns in MATCHED.items():
        op.create_index(name, "cases", columns, sqlite_where=is_matched, postgresql_where=is_matched)


def drop_matches() -> None:
    for name in MATCHED:
        op.drop_index(name, table_name="cases")
    for name in ("match_precision", "match_kind"):
        op.drop_column("cases", name)
