"""Notifiers, their rights, their notices, and the listings in them."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "notifiers",
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("address", sa.Text),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("notifier_id", name="pk_notifiers"),
        sa.CheckConstraint(
            "kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')", name="ck_notifiers_kind"
        ),
        sa.UniqueConstraint("address", name="uq_notifiers_address"),
        sa.UniqueConstraint("pseudonym", name="uq_notifiers_pseudonym"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_table(
        "rights_documents",
        sa.Column("document_id", identity, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("filed_at", moment, nullable=False),
        sa.Column("checked_by", sa.Text),
        sa.Column("checked_at", moment),
        sa.Column("is_accepted", flag),
        sa.PrimaryKeyConstraint("document_id", name="pk_rights_documents"),
        sa.UniqueConstraint("notifier_id", "brand", name="uq_rights_documents_notifier_id_brand"),
        sa.ForeignKeyConstraint(["notifier_id"], ["notifiers.notifier_id"], name="fk_rights_documents_notifier_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_rights_documents_notifier_id", "rights_documents", ["notifier_id"])
    op.create_table(
        "notices",
        sa.Column("notice_id", identity, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("brand", sa.Text),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("explanation", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("content_digest", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("is_suspended", flag, nullable=False, server_default=sa.false()),
        sa.Column("settled_at", moment),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notices"),
        sa.CheckConstraint("kind IN ('counterfeit', 'complaint')", name="ck_notices_kind"),
        sa.UniqueConstraint("notifier_id", "key", name="uq_notices_notifier_id_key"),
        sa.UniqueConstraint("reference", name="uq_notices_reference"),
        sa.ForeignKeyConstraint(["notifier_id"], ["notifiers.notifier_id"], name="fk_notices_notifier_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notices_notifier_id", "notices", ["notifier_id"])
    op.create_index("ix_notices_notifier_id_content_digest", "notices", ["notifier_id", "content_digest"])
    op.create_index("ix_notices_tier_received_at", "notices", ["tier", "received_at"])
    waits = sa.text("settled_at IS NULL")
    op.create_index("ix_notices_waiting", "notices", ["received_at"], sqlite_where=waits, postgresql_where=waits)
    op.create_table(
        "notice_items",
        sa.Column("item_id", identity, nullable=False),
        sa.Column("notice_id", identity, nullable=False),
        sa.Column("position", identity, nullable=False),
        sa.Column("noted_at", moment, nullable=False),
        sa.Column("listing_digest", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.Text),
        sa.Column("case_id", identity),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("repeats", identity),
        sa.Column("decision_id", identity),
        sa.Column("settled_at", moment),
        sa.Column("overturned_at", moment),
        sa.PrimaryKeyConstraint("item_id", name="pk_notice_items"),
        sa.UniqueConstraint("notice_id", "position", name="uq_notice_items_notice_id_position"),
        sa.CheckConstraint(
            "state IN ('unknown', 'waiting', 'upheld', 'rejected', 'undecided', 'not found', 'repeated')",
            name="ck_notice_items_state",
        ),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.notice_id"], name="fk_notice_items_notice_id"),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name="fk_notice_items_case_id"),
        sa.ForeignKeyConstraint(["repeats"], ["notice_items.item_id"], name="fk_notice_items_repeats"),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name="fk_notice_items_decision_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    for columns in (["listing_digest"], ["pseudonym"], ["case_id"], ["state", "item_id"]):
        op.create_index(f"ix_notice_items_{'_'.join(columns)}", "notice_items", columns)
    op.create_table(
        "notifier_steps",
        sa.Column("step_id", identity, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("taken_by", sa.Text, nullable=False),
        sa.Column("taken_at", moment, nullable=False),
        sa.Column("until", moment),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("step_id", name="pk_notifier_steps"),
        sa.CheckConstraint("kind IN ('warn', 'suspend', 'lift')", name="ck_notifier_steps_kind"),
        sa.ForeignKeyConstraint(["notifier_id"], ["notifiers.notifier_id"], name="fk_notifier_steps_notifier_id"),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index("ix_notifier_steps_notifier_id", "notifier_steps", ["notifier_id"])
    op.create_index("ix_cases_listing_id", "cases", ["listing_id"])


def downgrade() -> None:
    op.drop_index("ix_cases_listing_id", "cases")
    for table in ("notifier_steps", "notice_items", "notices", "rights_documents", "notifiers"):
        op.drop_table(table)
