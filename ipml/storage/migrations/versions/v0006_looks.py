"""Further looks at cases, opinions, items whose truth is known, and who sells as whom."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.create_index("ix_decisions_reviewer_decided_at", "decisions", ["reviewer", "decided_at"])
    op.create_table(
        "looks",
        sa.Column("look_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("decision_id", identity),
        sa.Column("wanted_at", moment, nullable=False),
        sa.Column("wanted_of", sa.Text),
        sa.Column("not_by", sa.Text),
        sa.Column("odds", real),
        sa.Column("holder", sa.Text),
        sa.Column("token", identity, nullable=False),
        sa.Column("lease_expires_at", moment),
        sa.Column("ended_at", moment),
        sa.PrimaryKeyConstraint("look_id", name="pk_looks"),
        sa.CheckConstraint("kind IN ('golden', 'repeat', 'audit', 'second')", name=op.f("ck_looks_kind")),
        sa.CheckConstraint("odds BETWEEN 0 AND 1", name=op.f("ck_looks_odds")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_looks_case_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_looks_decision_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_looks_case_id", "looks", ["case_id"])
    op.create_index("ix_looks_ended_at_kind_wanted_at", "looks", ["ended_at", "kind", "wanted_at"])

    op.create_table(
        "opinions",
        sa.Column("opinion_id", identity, nullable=False),
        sa.Column("look_id", identity),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("ground", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.Column("token", identity, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("withdrawn_at", moment),
        sa.PrimaryKeyConstraint("opinion_id", name="pk_opinions"),
        sa.CheckConstraint("kind IN ('golden', 'repeat', 'audit', 'first', 'second')", name=op.f("ck_opinions_kind")),
        sa.CheckConstraint(
            "verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')",
            name=op.f("ck_opinions_verdict"),
        ),
        sa.UniqueConstraint("look_id", name="uq_opinions_look_id"),
        sa.ForeignKeyConstraint(["look_id"], ["looks.look_id"], name="fk_opinions_look_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_opinions_case_id"),
        sa.UniqueConstraint("key", name="uq_opinions_key"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_opinions_case_id", "opinions", ["case_id"])
    op.create_index("ix_opinions_reviewer_kind_decided_at", "opinions", ["reviewer", "kind", "decided_at"])

    op.create_table(
        "goldens",
        sa.Column("golden_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("truth", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
        sa.Column("added_at", moment, nullable=False),
        sa.Column("removed_at", moment),
        sa.PrimaryKeyConstraint("golden_id", name="pk_goldens"),
        sa.CheckConstraint("truth IN ('counterfeit', 'genuine')", name=op.f("ck_goldens_truth")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_goldens_case_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_goldens_case_id", "goldens", ["case_id"])

    op.create_table(
        "user_sellers",
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.PrimaryKeyConstraint("user_name", "seller_id", name="pk_user_sellers"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    for table in ("user_sellers", "goldens", "opinions", "looks"):
        op.drop_table(table)
    op.drop_index("ix_decisions_reviewer_decided_at", "decisions")
