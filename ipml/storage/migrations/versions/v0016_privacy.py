"""Legal holds, sellers who were erased, and what was erased of the queue."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("cases", sa.Column("erased_at", moment))
    op.create_table(
        "erasures",
        sa.Column("erasure_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("erased_by", sa.Text, nullable=False),
        sa.Column("erased_at", moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("cases", identity, nullable=False),
        sa.Column("swept_at", moment),
        sa.PrimaryKeyConstraint("erasure_id", name="pk_erasures"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_erasures_pseudonym", "erasures", ["pseudonym"])
    op.create_table(
        "legal_holds",
        sa.Column("hold_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("case_id", identity),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("placed_by", sa.Text, nullable=False),
        sa.Column("placed_at", moment, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("released_by", sa.Text),
        sa.Column("released_at", moment),
        sa.PrimaryKeyConstraint("hold_id", name="pk_legal_holds"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_legal_holds_case_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_legal_holds_pseudonym", "legal_holds", ["pseudonym"])


def downgrade() -> None:
    op.drop_table("legal_holds")
    op.drop_table("erasures")
    op.drop_column("cases", "erased_at")
