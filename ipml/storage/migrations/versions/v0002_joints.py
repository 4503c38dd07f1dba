"""Second revision: adds columns for sellers' records, listing addresses and matches; indexes for jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
compatible_from = "0001"

integer = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
# Indexes for rows deleted with a case, a decision or a seller.
KEYED = (
    ("bands", "case_id"),
    ("second_reviews", "decision_id"),
    ("seller_list_entries", "pseudonym"),
    ("seller_proposals", "pseudonym"),
)
# By which jobs join rows while others wait; of two columns most rows have none.
JOINED = (
    ("spread_audits", "case_id", None),
    ("notifiers", "created_at", None),
    ("decisions", "spread_from", "spread_from IS NOT NULL"),
    ("notice_items", "repeats", "repeats IS NOT NULL"),
)
MATCHED = {
    "ix_cases_matched": ["state", "case_id"],
    "ix_cases_matched_seller": ["seller_id", "case_id"],
    "ix_cases_matched_with": ["relisting_of", "case_id"],
}


def upgrade() -> None:
    add_record()
    add_addresses()
    add_indexes()
    add_matches()
    add_screening()
    add_picture_colours()
    add_job_indexes()
    add_seller_languages()
    add_waiting_index()
    add_note_templates()
    add_changes()
    add_inbox()
    add_proposals()


def downgrade() -> None:
    drop_proposals()
    drop_inbox()
    drop_changes()
    drop_note_templates()
    drop_waiting_index()
    drop_seller_languages()
    drop_job_indexes()
    drop_picture_colours()
    drop_screening()
    drop_matches()
    drop_indexes()
    drop_addresses()
    drop_record()


def add_record() -> None:
    op.add_column("listings", sa.Column("record_changes", integer, server_default="0", nullable=False))
    op.add_column("notice_items", sa.Column("joined_at", integer, nullable=True))


def drop_record() -> None:
    op.drop_column("notice_items", "joined_at")
    op.drop_column("listings", "record_changes")


def add_addresses() -> None:
    op.add_column("listings", sa.Column("url_digest", sa.Text, nullable=True))
    op.create_index(op.f("ix_listings_url_digest"), "listings", ["url_digest"], unique=False)


def drop_addresses() -> None:
    op.drop_index(op.f("ix_listings_url_digest"), table_name="listings")
    op.drop_column("listings", "url_digest")


def add_indexes() -> None:
    for table, column in KEYED:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def drop_indexes() -> None:
    for table, column in KEYED:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)


def add_matches() -> None:
    op.add_column("cases", sa.Column("match_kind", sa.Text(), nullable=True))
    op.add_column("cases", sa.Column("match_precision", real, nullable=True))
    is_matched = sa.text("match_kind IS NOT NULL")
    for name, columns in MATCHED.items():
        op.create_index(name, "cases", columns, sqlite_where=is_matched, postgresql_where=is_matched)


def drop_matches() -> None:
    for name in MATCHED:
        op.drop_index(name, table_name="cases")
    for name in ("match_precision", "match_kind"):
        op.drop_column("cases", name)


# The columns of screened pictures that have an index of their own.
SCREENED_BY = ("digest", "group_id", "listing_id", "received_at", "seller_id")


def add_screening() -> None:
    texts, numbers = ("digest", "found_at", "kind", "why"), ("group_id", "matched_at", "width", "height", "n_bytes")
    op.create_table(
        "screened_pictures",
        sa.Column("picture_id", integer, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("listing_id", "seller_id", "address", "state")),
        *(sa.Column(name, integer, nullable=False) for name in ("received_at", "noted_at", "tries", "due_at")),
        sa.Column("harm", real, nullable=False),
        *(sa.Column(name, integer) for name in (*numbers, "fetched_at")),
        *(sa.Column(name, sa.Text()) for name in texts),
        sa.CheckConstraint("state IN ('waiting', 'hashed', 'failed', 'left')", name=op.f("ck_screened_pictures_state")),
        sa.PrimaryKeyConstraint("picture_id", name=op.f("pk_screened_pictures")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    for name in SCREENED_BY:
        op.create_index(op.f(f"ix_screened_pictures_{name}"), "screened_pictures", [name], unique=False)
    op.create_index(op.f("ix_screened_pictures_state_harm"), "screened_pictures", ["state", "harm"], unique=False)
    op.create_table(
        "screening_days",
        sa.Column("day", sa.Text(), nullable=False),
        *(sa.Column(name, integer, nullable=False) for name in ("requests", "n_bytes", "left_out")),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_screening_days")),
        sqlite_strict=True,
    )


def drop_screening() -> None:
    op.drop_table("screening_days")
    op.drop_table("screened_pictures")


def add_picture_colours() -> None:
    op.add_column("picture_groups", sa.Column("colours", sa.Text(), nullable=True))
    outdated = sa.text("colours IS NULL")
    index = "ix_picture_groups_outdated", "picture_groups", ["group_id"]
    op.create_index(*index, sqlite_where=outdated, postgresql_where=outdated)


def drop_picture_colours() -> None:
    op.drop_index("ix_picture_groups_outdated", table_name="picture_groups")
    op.drop_column("picture_groups", "colours")


def add_job_indexes() -> None:
    for table, column, condition in JOINED:
        where = None if condition is None else sa.text(condition)
        name = op.f(f"ix_{table}_{column}")
        op.create_index(name, table, [column], sqlite_where=where, postgresql_where=where)


def drop_job_indexes() -> None:
    for table, column, _ in JOINED:
        op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)


def add_seller_languages() -> None:
    op.create_table(
        "seller_languages",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("seller_id", "language")),
        sa.Column("known_at", integer, nullable=False),
        sa.PrimaryKeyConstraint("seller_id", name=op.f("pk_seller_languages")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_seller_languages_known_at"), "seller_languages", ["known_at"], unique=False)


def drop_seller_languages() -> None:
    op.drop_index(op.f("ix_seller_languages_known_at"), table_name="seller_languages")
    op.drop_table("seller_languages")


def add_waiting_index() -> None:
    waits = sa.text("settled_at IS NULL")
    name = "ix_notices_waiting_notifier"
    op.create_index(name, "notices", ["notifier_id"], sqlite_where=waits, postgresql_where=waits)


def drop_waiting_index() -> None:
    op.drop_index("ix_notices_waiting_notifier", table_name="notices")


def add_note_templates() -> None:
    op.create_table(
        "note_templates",
        sa.Column("template_id", integer, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("ground", "text", "changed_by")),
        sa.Column("changed_at", integer, nullable=False),
        sa.PrimaryKeyConstraint("template_id", name=op.f("pk_note_templates")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )


def drop_note_templates() -> None:
    op.drop_table("note_templates")


def add_changes() -> None:
    op.add_column("review_queues", sa.Column("place", integer, server_default=sa.text("0"), nullable=False))
    op.create_table(
        "changes",
        sa.Column("change_id", integer, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "changed_by")),
        sa.Column("changed_at", integer, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("undone_at", integer),
        sa.CheckConstraint("kind IN ('assigned', 'snoozed', 'control', 'queue', 'list')", name=op.f("ck_changes_kind")),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_changes")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_changes_changed_by_change_id"), "changes", ["changed_by", "change_id"], unique=False)
    op.create_index(op.f("ix_changes_changed_at"), "changes", ["changed_at"], unique=False)


def drop_changes() -> None:
    op.drop_table("changes")
    op.drop_column("review_queues", "place")


def add_inbox() -> None:
    kinds = "kind IN ('mention', 'escalation', 'appeal', 'outcome', 'second review')"
    op.create_table(
        "inbox_messages",
        sa.Column("message_id", integer, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("user_name", "kind")),
        *(sa.Column(name, integer, nullable=False) for name in ("case_id", "source_id", "sent_at")),
        sa.Column("read_at", integer),
        sa.CheckConstraint(kinds, name=op.f("ck_inbox_messages_kind")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_inbox_messages_case_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_inbox_messages")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_inbox_messages_case_id"), "inbox_messages", ["case_id"], unique=False)
    name = op.f("ix_inbox_messages_user_name_message_id")
    op.create_index(name, "inbox_messages", ["user_name", "message_id"], unique=False)
    unread = sa.text("read_at IS NULL")
    index = "ix_inbox_messages_unread", "inbox_messages", ["user_name", "case_id"]
    op.create_index(*index, sqlite_where=unread, postgresql_where=unread)


def drop_inbox() -> None:
    op.drop_table("inbox_messages")


def add_proposals() -> None:
    op.add_column("seller_proposals", sa.Column("why_declined", sa.Text(), nullable=True))
    op.create_table(
        "picture_proposals",
        sa.Column("proposal_id", integer, nullable=False),
        sa.Column("notifier_id", integer, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("brand", "digest", "kind", "shows", "proposed_by")),
        sa.Column("proposed_at", integer, nullable=False),
        *(sa.Column(name, sa.Text()) for name in ("outcome", "why_rejected", "decided_by")),
        sa.Column("decided_at", integer),
        sa.CheckConstraint("kind IN ('counterfeit', 'genuine')", name=op.f("ck_picture_proposals_kind")),
        sa.CheckConstraint("outcome IN ('accepted', 'rejected')", name=op.f("ck_picture_proposals_outcome")),
        sa.ForeignKeyConstraint(
            ["notifier_id"], ["notifiers.notifier_id"], name=op.f("fk_picture_proposals_notifier_id")
        ),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_picture_proposals")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    for name in ("digest", "notifier_id"):
        op.create_index(op.f(f"ix_picture_proposals_{name}"), "picture_proposals", [name], unique=False)
    op.create_table(
        "notice_templates",
        sa.Column("template_id", integer, nullable=False),
        sa.Column("notifier_id", integer, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("brand", "encrypted", "changed_by")),
        sa.Column("changed_at", integer, nullable=False),
        sa.ForeignKeyConstraint(
            ["notifier_id"], ["notifiers.notifier_id"], name=op.f("fk_notice_templates_notifier_id")
        ),
        sa.PrimaryKeyConstraint("template_id", name=op.f("pk_notice_templates")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_notice_templates_notifier_id"), "notice_templates", ["notifier_id"], unique=False)


def drop_proposals() -> None:
    op.drop_table("notice_templates")
    op.drop_table("picture_proposals")
    op.drop_column("seller_proposals", "why_declined")
