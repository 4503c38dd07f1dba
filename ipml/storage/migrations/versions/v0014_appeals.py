"""Appeals, what became of them, and their clocks."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "appeals",
        sa.Column("appeal_id", identity, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("filed_at", moment, nullable=False),
        sa.Column("reference", sa.Text),
        sa.Column("holder", sa.Text),
        sa.Column("lease_expires_at", moment),
        sa.PrimaryKeyConstraint("appeal_id", name="pk_appeals"),
        sa.UniqueConstraint("pseudonym", "key", name="uq_appeals_pseudonym_key"),
        sa.CheckConstraint("kind IN ('complaint', 'counter-notice')", name=op.f("ck_appeals_kind")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_appeals_case_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_appeals_decision_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_appeals_case_id", "appeals", ["case_id"])
    op.create_index("ix_appeals_decision_id", "appeals", ["decision_id"])
    op.create_index("ix_appeals_pseudonym", "appeals", ["pseudonym"])
    op.create_index("ix_appeals_state_appeal_id", "appeals", ["state", "appeal_id"])
    op.create_index("ix_appeals_subject", "appeals", ["subject"])
    op.create_table(
        "appeal_outcomes",
        sa.Column("appeal_id", identity, nullable=False, autoincrement=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("measure_kind", sa.Text),
        sa.PrimaryKeyConstraint("appeal_id", name="pk_appeal_outcomes"),
        sa.ForeignKeyConstraint(["appeal_id"], ["appeals.appeal_id"], name="fk_appeal_outcomes_appeal_id"),
        sqlite_strict=True,
    )
    op.create_table(
        "clocks",
        sa.Column("clock_id", identity, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", moment),
        sa.Column("due_at", moment),
        sa.Column("latest_at", moment),
        sa.Column("is_provisional", flag, nullable=False),
        sa.Column("marked_at", moment),
        sa.Column("paused_at", moment),
        sa.Column("longer_by", identity, nullable=False),
        sa.Column("is_extended", flag, nullable=False),
        sa.PrimaryKeyConstraint("clock_id", name="pk_clocks"),
        sa.UniqueConstraint("subject", "stage", name="uq_clocks_subject_stage"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_clocks_stage_since", "clocks", ["stage", "since"])
    op.create_index("ix_clocks_state_due_at", "clocks", ["state", "due_at"])
    op.create_table(
        "clock_events",
        sa.Column("sequence", identity, nullable=False),
        sa.Column("clock_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_clock_events"),
        sa.ForeignKeyConstraint(["clock_id"], ["clocks.clock_id"], name="fk_clock_events_clock_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_clock_events_clock_id", "clock_events", ["clock_id"])
    op.create_index("ix_outbox_kind_settled_at", "outbox", ["kind", "settled_at"])


def downgrade() -> None:
    op.drop_index("ix_outbox_kind_settled_at", "outbox")
    op.drop_table("clock_events")
    op.drop_table("clocks")
    op.drop_table("appeal_outcomes")
    op.drop_table("appeals")
