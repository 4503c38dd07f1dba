"""Statements of reasons."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "statements",
        sa.Column("statement_id", identity, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("puid", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("payload", sa.Text),
        sa.Column("letter", sa.Text, nullable=False),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("issued_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("statement_id", name="pk_statements"),
        sa.UniqueConstraint("subject", name="uq_statements_subject"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_statements_decision_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_statements_case_id"),
        sa.UniqueConstraint("puid", name="uq_statements_puid"),
        sa.ForeignKeyConstraint(["policy_digest"], ["enforcement_policies.digest"], name="fk_statements_policy_digest"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_statements_case_id", "statements", ["case_id"])
    op.create_index("ix_statements_decision_id", "statements", ["decision_id"])
    op.create_index("ix_statements_pseudonym", "statements", ["pseudonym"])


def downgrade() -> None:
    op.drop_table("statements")
