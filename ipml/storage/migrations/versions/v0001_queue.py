"""The queue: cases, decisions and the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("case_id", identity, nullable=False),
        sa.Column("listing_key", sa.Text, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("observed_at", moment),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("brand", sa.Text),
        sa.Column("score", real),
        sa.Column("rank", real, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("enqueued_at", moment, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("token", identity, nullable=False),
        sa.Column("lease_expires_at", moment),
        sa.PrimaryKeyConstraint("case_id", name="pk_cases"),
        sa.CheckConstraint("state IN ('open', 'decided', 'escalated')", name=op.f("ck_cases_state")),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck_cases_score")),
        sa.UniqueConstraint("listing_key", name="uq_cases_listing_key"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cases_state_rank_case_id", "cases", ["state", "rank", "case_id"])
    op.create_index("ix_cases_seller_id_rank_case_id", "cases", ["seller_id", "rank", "case_id"])

    op.create_table(
        "decisions",
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("ground", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.Column("token", identity, nullable=False),
        sa.Column("key", sa.Text),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
        sa.CheckConstraint(
            "verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')",
            name=op.f("ck_decisions_verdict"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_decisions_case_id"),
        sa.UniqueConstraint("key", name="uq_decisions_key"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decisions_case_id", "decisions", ["case_id"])
    op.create_index("ix_decisions_listing_id", "decisions", ["listing_id"])

    op.create_table(
        "audit",
        sa.Column("sequence", identity, nullable=False, autoincrement=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit"),
        sqlite_strict=True,
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])


def downgrade() -> None:
    for table in ("audit", "decisions", "cases"):
        op.drop_table(table)
