"""Strikes, penalties, recommended links, and what measures put at stake."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "strikes",
        sa.Column("strike_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("ground", sa.Text, nullable=False),
        sa.Column("category", sa.Text),
        sa.Column("weight", real, nullable=False),
        sa.Column("probability", real),
        sa.Column("value", real),
        sa.Column("listings", real),
        sa.Column("age_days", real),
        sa.Column("made_with", identity),
        sa.Column("cluster", identity, nullable=False),
        sa.Column("same_as", identity, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("struck_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("strike_id", name="pk_strikes"),
        sa.UniqueConstraint("decision_id", name="uq_strikes_decision_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_strikes_decision_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_strikes_case_id"),
        sa.ForeignKeyConstraint(["policy_digest"], ["enforcement_policies.digest"], name="fk_strikes_policy_digest"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_strikes_case_id", "strikes", ["case_id"])
    op.create_index("ix_strikes_pseudonym_strike_id", "strikes", ["pseudonym", "strike_id"])
    op.create_table(
        "strikes_taken_back",
        sa.Column("strike_id", identity, nullable=False, autoincrement=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("strike_id", name="pk_strikes_taken_back"),
        sa.ForeignKeyConstraint(["strike_id"], ["strikes.strike_id"], name="fk_strikes_taken_back_strike_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "penalties",
        sa.Column("penalty_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("strike_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("rung", identity, nullable=False),
        sa.Column("weight", real, nullable=False),
        sa.Column("listings", real),
        sa.Column("age_days", real),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("proposed_at", moment, nullable=False),
        sa.Column("imposed_by", sa.Text),
        sa.Column("imposed_at", moment),
        sa.Column("until", moment),
        sa.Column("ended_as", sa.Text),
        sa.Column("ended_by", sa.Text),
        sa.Column("ended_at", moment),
        sa.Column("why_ended", sa.Text),
        sa.PrimaryKeyConstraint("penalty_id", name="pk_penalties"),
        sa.CheckConstraint(
            "kind IN ('warn', 'limit', 'hold payout', 'suspend', 'close')", name=op.f("ck_penalties_kind")
        ),
        sa.CheckConstraint(
            "ended_as IN ('taken back', 'lifted', 'dismissed', 'over')", name=op.f("ck_penalties_ended_as")
        ),
        sa.ForeignKeyConstraint(["strike_id"], ["strikes.strike_id"], name="fk_penalties_strike_id"),
        sa.ForeignKeyConstraint(["policy_digest"], ["enforcement_policies.digest"], name="fk_penalties_policy_digest"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_penalties_ended_at_until", "penalties", ["ended_at", "until"])
    op.create_index("ix_penalties_pseudonym_penalty_id", "penalties", ["pseudonym", "penalty_id"])
    op.create_index("ix_penalties_strike_id", "penalties", ["strike_id"])
    op.create_table(
        "linked_accounts",
        sa.Column("link_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("linked_to", sa.Text, nullable=False),
        sa.Column("penalty_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("weight", real, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("recommended_at", moment, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", moment),
        sa.Column("why", sa.Text),
        sa.PrimaryKeyConstraint("link_id", name="pk_linked_accounts"),
        sa.CheckConstraint("outcome IN ('look', 'nothing')", name=op.f("ck_linked_accounts_outcome")),
        sa.ForeignKeyConstraint(["penalty_id"], ["penalties.penalty_id"], name="fk_linked_accounts_penalty_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_linked_accounts_linked_to", "linked_accounts", ["linked_to"])
    op.create_index(
        "ix_linked_accounts_penalty_id_pseudonym_kind",
        "linked_accounts",
        ["penalty_id", "pseudonym", "kind"],
        unique=True,
    )
    op.create_index("ix_linked_accounts_pseudonym", "linked_accounts", ["pseudonym"])
    op.create_table(
        "measure_stakes",
        sa.Column("measure_id", identity, nullable=False, autoincrement=False),
        sa.Column("size_band", sa.Text, nullable=False),
        sa.Column("age_band", sa.Text, nullable=False),
        sa.Column("loss_a_day", real),
        sa.Column("harm", real),
        sa.Column("currency", sa.Text),
        sa.Column("is_assumed", flag, nullable=False),
        sa.Column("kept_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("measure_id", name="pk_measure_stakes"),
        sa.ForeignKeyConstraint(["measure_id"], ["measures.measure_id"], name="fk_measure_stakes_measure_id"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("measure_stakes")
    op.drop_table("linked_accounts")
    op.drop_table("penalties")
    op.drop_table("strikes_taken_back")
    op.drop_table("strikes")
