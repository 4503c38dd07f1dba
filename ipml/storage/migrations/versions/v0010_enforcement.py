"""Evidence, measures and what must reach others."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "seller_keys",
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("seller_id", name="pk_seller_keys"),
        sa.UniqueConstraint("pseudonym", name="uq_seller_keys_pseudonym"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "evidence",
        sa.Column("evidence_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("kept_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("evidence_id", name="pk_evidence"),
        sa.UniqueConstraint("decision_id", name="uq_evidence_decision_id"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_evidence_decision_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_evidence_case_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_evidence_case_id", "evidence", ["case_id"])
    op.create_index("ix_evidence_pseudonym", "evidence", ["pseudonym"])
    op.create_table(
        "enforcement_policies",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("first_used_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_enforcement_policies"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "measures",
        sa.Column("measure_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("territories", sa.Text, nullable=False),
        sa.Column("until", moment),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("imposed_by", sa.Text, nullable=False),
        sa.Column("imposed_at", moment, nullable=False),
        sa.Column("listed_at", moment),
        sa.Column("sales_before", identity),
        sa.Column("done_at", moment),
        sa.Column("lifted_by", sa.Text),
        sa.Column("lifted_at", moment),
        sa.Column("why_lifted", sa.Text),
        sa.Column("undone_at", moment),
        sa.PrimaryKeyConstraint("measure_id", name="pk_measures"),
        sa.CheckConstraint(
            "kind IN ('label', 'demote', 'pause', 'price-hold', 'remove', 'remove-in')", name=op.f("ck_measures_kind")
        ),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_measures_decision_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_measures_case_id"),
        sa.ForeignKeyConstraint(["policy_digest"], ["enforcement_policies.digest"], name="fk_measures_policy_digest"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_measures_case_id", "measures", ["case_id"])
    op.create_index("ix_measures_decision_id", "measures", ["decision_id"])
    op.create_index("ix_measures_pseudonym", "measures", ["pseudonym"])
    op.create_table(
        "outbox",
        sa.Column("message_id", identity, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("put_at", moment, nullable=False),
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        sa.Column("attempts", identity, nullable=False, server_default="0"),
        sa.Column("next_try_at", moment, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("lease_expires_at", moment),
        sa.Column("last_error", sa.Text),
        sa.Column("settled_at", moment),
        sa.PrimaryKeyConstraint("message_id", name="pk_outbox"),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name=op.f("ck_outbox_state")),
        sa.UniqueConstraint("key", name="uq_outbox_key"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_pseudonym", "outbox", ["pseudonym"])
    op.create_index("ix_outbox_state_next_try_at_message_id", "outbox", ["state", "next_try_at", "message_id"])
    op.create_index("ix_outbox_subject_message_id", "outbox", ["subject", "message_id"])


def downgrade() -> None:
    op.drop_table("outbox")
    op.drop_table("measures")
    op.drop_table("enforcement_policies")
    op.drop_table("evidence")
    op.drop_table("seller_keys")
