"""Decisions that are taken back, made as one or spread over near-duplicates."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for name in ("exemplar", "relisting_of"):
        op.add_column("cases", sa.Column(name, identity))
    op.create_index("ix_cases_waiting", "cases", ["exemplar", "state", "rank", "case_id"])

    op.add_column("decisions", sa.Column("origin", sa.Text, nullable=False, server_default="review"))
    op.add_column("decisions", sa.Column("group_key", sa.Text))
    op.add_column("decisions", sa.Column("spread_from", identity))
    op.create_index("ix_decisions_group_key", "decisions", ["group_key"])

    op.create_table(
        "reversals",
        sa.Column("reversal_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("reversed_at", moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("reversal_id", name="pk_reversals"),
        sa.UniqueConstraint("decision_id", name="uq_reversals_decision_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_reversals_decision_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )

    op.create_table(
        "bands",
        sa.Column("band", identity, nullable=False, autoincrement=False),
        sa.Column("case_id", identity, nullable=False, autoincrement=False),
        sa.PrimaryKeyConstraint("band", "case_id", name="pk_bands"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_bands_case_id"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )

    op.create_table(
        "spread_audits",
        sa.Column("decision_id", identity, nullable=False, autoincrement=False),
        sa.Column("case_id", identity, nullable=False, autoincrement=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", "case_id", name="pk_spread_audits"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_spread_audits_decision_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_spread_audits_case_id"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    for table in ("spread_audits", "bands", "reversals"):
        op.drop_table(table)
    op.drop_index("ix_decisions_group_key", "decisions")
    for name in ("spread_from", "group_key", "origin"):
        op.drop_column("decisions", name)
    op.drop_index("ix_cases_waiting", "cases")
    for name in ("relisting_of", "exemplar"):
        op.drop_column("cases", name)
