"""Acting without review: promises, drawn cases, what was done."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "promises",
        sa.Column("promise_id", identity, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text),
        sa.Column("threshold", real),
        sa.Column("promised", real),
        sa.Column("bound", real),
        sa.Column("reviews", identity),
        sa.Column("errors", identity),
        sa.Column("since", moment),
        sa.PrimaryKeyConstraint("promise_id", name="pk_promises"),
        sa.CheckConstraint("event IN ('given', 'held', 'withdrawn', 'allowed')", name=op.f("ck_promises_event")),
        sa.CheckConstraint(
            "cause IN ('data', 'alarm', 'reversals', 'model', 'person')", name=op.f("ck_promises_cause")
        ),
        sa.ForeignKeyConstraint(["policy_digest"], ["enforcement_policies.digest"], name="fk_promises_policy_digest"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_promises_brand_promise_id", "promises", ["brand", "promise_id"])
    op.create_table(
        "automatic_draws",
        sa.Column("case_id", identity, nullable=False, autoincrement=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("score", real, nullable=False),
        sa.Column("odds", real, nullable=False),
        sa.Column("drawn_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("case_id", name="pk_automatic_draws"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_automatic_draws_case_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_automatic_draws_drawn_at_case_id", "automatic_draws", ["drawn_at", "case_id"])
    op.create_table(
        "automatic_decisions",
        sa.Column("decision_id", identity, nullable=False, autoincrement=False),
        sa.Column("promise_id", identity, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_automatic_decisions"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_automatic_decisions_decision_id"),
        sa.ForeignKeyConstraint(["promise_id"], ["promises.promise_id"], name="fk_automatic_decisions_promise_id"),
        sqlite_strict=True,
    )
    op.create_index("ix_automatic_decisions_brand_decided_at", "automatic_decisions", ["brand", "decided_at"])
    op.create_index("ix_automatic_decisions_promise_id", "automatic_decisions", ["promise_id"])


def downgrade() -> None:
    op.drop_table("automatic_decisions")
    op.drop_table("automatic_draws")
    op.drop_table("promises")
