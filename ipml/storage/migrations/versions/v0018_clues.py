"""Clues, of whom they told, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "clues",
        sa.Column("clue_id", identity, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("network", identity, nullable=False),
        sa.Column("members_digest", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("brand", sa.Text),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("built_by", sa.Text, nullable=False),
        sa.Column("built_at", moment, nullable=False),
        sa.Column("content_digest", sa.Text, nullable=False),
        sa.Column("follows", identity),
        sa.Column("n_members", identity, nullable=False),
        sa.Column("n_confirmed", identity, nullable=False),
        sa.Column("value_low", real),
        sa.Column("value", real),
        sa.Column("value_high", real),
        sa.Column("currency", sa.Text),
        sa.Column("solvability", real, nullable=False),
        sa.Column("effort", real, nullable=False),
        sa.Column("signs", sa.Text, nullable=False),
        sa.Column("tells_sellers", flag, nullable=False),
        sa.Column("received_by", sa.Text),
        sa.Column("received_at", moment),
        sa.PrimaryKeyConstraint("clue_id", name="pk_clues"),
        sa.UniqueConstraint("reference", name="uq_clues_reference"),
        sa.ForeignKeyConstraint(["follows"], ["clues.clue_id"], name="fk_clues_follows"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_clues_members_digest", "clues", ["members_digest"])
    op.create_table(
        "clue_outcomes",
        sa.Column("outcome_id", identity, nullable=False),
        sa.Column("clue_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", real),
        sa.Column("why", sa.Text),
        sa.Column("noted_by", sa.Text, nullable=False),
        sa.Column("noted_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("outcome_id", name="pk_clue_outcomes"),
        sa.CheckConstraint("kind IN ('opened', 'arrests', 'seized', 'dropped')", name="ck_clue_outcomes_kind"),
        sa.ForeignKeyConstraint(["clue_id"], ["clues.clue_id"], name="fk_clue_outcomes_clue_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_clue_outcomes_clue_id", "clue_outcomes", ["clue_id"])
    op.create_table(
        "disclosures",
        sa.Column("disclosure_id", identity, nullable=False),
        sa.Column("clue_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("is_confirmed", flag, nullable=False),
        sa.Column("disclosed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("disclosure_id", name="pk_disclosures"),
        sa.UniqueConstraint("clue_id", "pseudonym", name="uq_disclosures_clue_id_pseudonym"),
        sa.ForeignKeyConstraint(["clue_id"], ["clues.clue_id"], name="fk_disclosures_clue_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_disclosures_pseudonym", "disclosures", ["pseudonym"])


def downgrade() -> None:
    for table in ("disclosures", "clue_outcomes", "clues"):
        op.drop_table(table)
