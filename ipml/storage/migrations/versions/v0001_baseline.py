"""All tables, as they were when ipml was first released; later steps change these."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
real: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
flag = sa.Boolean().with_variant(sa.Integer(), "sqlite")
TABLES = (
    "audit",
    "cases",
    "deadlines",
    "referrals",
    "enforcement_policies",
    "erasures",
    "notifiers",
    "outbox",
    "platform_answers",
    "rankings",
    "seeds",
    "seller_keys",
    "review_queues",
    "seller_list_entries",
    "tries",
    "user_sellers",
    "users",
    "automatic_draws",
    "bands",
    "case_comments",
    "case_texts",
    "translations",
    "pictures",
    "picture_groups",
    "reference_pictures",
    "deadline_events",
    "referral_outcomes",
    "decisions",
    "disclosures",
    "control_cases",
    "identities",
    "legal_holds",
    "notices",
    "notifier_appointments",
    "notifier_steps",
    "promises",
    "rights_documents",
    "rights_files",
    "user_brands",
    "seller_proposals",
    "sessions",
    "saved_views",
    "start_views",
    "samples",
    "appeals",
    "automatic_decisions",
    "evidence",
    "second_reviews",
    "measures",
    "notice_items",
    "reversals",
    "sample_cases",
    "sample_strata",
    "spread_audits",
    "stream_strata",
    "statements",
    "strikes",
    "appeal_outcomes",
    "measure_messages",
    "measure_stakes",
    "second_verdicts",
    "penalties",
    "strikes_taken_back",
    "linked_accounts",
    "jobs",
    "listings",
    "seller_events",
    "portfolio_listings",
    "portfolios",
)
"""In the order in which one may refer to those before it."""


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", identity, autoincrement=False, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_audit")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"], unique=False)
    op.create_table(
        "cases",
        sa.Column("case_id", identity, nullable=False),
        sa.Column("listing_key", sa.Text, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("observed_at", moment, nullable=True),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("brand", sa.Text, nullable=True),
        sa.Column("score", real, nullable=True),
        sa.Column("rank", real, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("enqueued_at", moment, nullable=False),
        sa.Column("holder", sa.Text, nullable=True),
        sa.Column("token", identity, nullable=False),
        sa.Column("lease_expires_at", moment, nullable=True),
        sa.Column("value", real, nullable=True),
        sa.Column("expected_value", sa.Text, nullable=True),
        sa.Column("minutes", real, nullable=True),
        sa.Column("due_at", moment, nullable=True),
        sa.Column("score_rank", real, server_default=sa.text("0"), nullable=False),
        sa.Column("value_rank", real, server_default=sa.text("0"), nullable=False),
        sa.Column("sampling_probability", real, nullable=True),
        sa.Column("lane", sa.Text, server_default="ranked", nullable=False),
        sa.Column("random_order", real, nullable=True),
        sa.Column("exemplar", identity, nullable=True),
        sa.Column("relisting_of", identity, nullable=True),
        sa.Column("category", sa.Text, nullable=True),
        sa.Column("erased_at", moment, nullable=True),
        sa.Column("version", identity, server_default="1", nullable=False),
        sa.Column("content", sa.Text, nullable=True),
        sa.Column("brand_read", sa.Text, nullable=True),
        sa.Column("seen_at", moment, nullable=True),
        sa.Column("drawn_at", moment, nullable=True),
        sa.Column("assigned_to", sa.Text, nullable=True),
        sa.Column("snoozed_until", moment, nullable=True),
        sa.Column("script", sa.Text, nullable=True),
        sa.Column("queue_id", identity, nullable=True),
        sa.Column("successor", identity, nullable=True),
        sa.CheckConstraint("state IN ('open', 'decided', 'escalated', 'superseded')", name=op.f("ck_cases_state")),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck_cases_score")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_cases")),
        sa.UniqueConstraint("listing_key", name=op.f("uq_cases_listing_key")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_cases_holder"), "cases", ["holder"], unique=False)
    op.create_index(
        "ix_cases_in_order",
        "cases",
        ["state", "rank", "case_id", "score_rank", "enqueued_at", "due_at", "exemplar", "snoozed_until"],
        unique=False,
    )
    op.create_index(
        op.f("ix_cases_assigned_to_state_rank"),
        "cases",
        ["assigned_to", "state", "rank"],
        unique=False,
        sqlite_where=sa.text("assigned_to IS NOT NULL"),
        postgresql_where=sa.text("assigned_to IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_cases_lease_expires_at"),
        "cases",
        ["lease_expires_at"],
        unique=False,
        sqlite_where=sa.text("holder IS NOT NULL"),
        postgresql_where=sa.text("holder IS NOT NULL"),
    )
    op.create_index(op.f("ix_cases_listing_id"), "cases", ["listing_id"], unique=False)
    op.create_index(
        "ix_cases_pending",
        "cases",
        ["listing_id"],
        unique=True,
        sqlite_where=sa.text("state IN ('open', 'escalated')"),
        postgresql_where=sa.text("state IN ('open', 'escalated')"),
    )
    op.create_index(op.f("ix_cases_seller_id_rank_case_id"), "cases", ["seller_id", "rank", "case_id"], unique=False)
    op.create_index(
        op.f("ix_cases_state_brand_rank_case_id"), "cases", ["state", "brand", "rank", "case_id"], unique=False
    )
    op.create_index(
        op.f("ix_cases_state_brand_read_case_id"), "cases", ["state", "brand_read", "case_id"], unique=False
    )
    op.create_index(
        op.f("ix_cases_state_category_rank_case_id"), "cases", ["state", "category", "rank", "case_id"], unique=False
    )
    op.create_index(
        op.f("ix_cases_state_drawn_at_case_id"),
        "cases",
        ["state", "drawn_at", "case_id"],
        unique=False,
        sqlite_where=sa.text("drawn_at IS NOT NULL"),
        postgresql_where=sa.text("drawn_at IS NOT NULL"),
    )
    op.create_index(
        "ix_cases_queued",
        "cases",
        ["state", "queue_id", "rank", "case_id", "exemplar", "snoozed_until", "due_at"],
        unique=False,
    )
    op.create_index(op.f("ix_cases_state_due_at_minutes"), "cases", ["state", "due_at", "minutes"], unique=False)
    op.create_index(
        op.f("ix_cases_state_enqueued_at_case_id"), "cases", ["state", "enqueued_at", "case_id"], unique=False
    )
    op.create_index(op.f("ix_cases_state_lane_random_order"), "cases", ["state", "lane", "random_order"], unique=False)
    op.create_index(
        op.f("ix_cases_state_score_rank_case_id"), "cases", ["state", "score_rank", "case_id"], unique=False
    )
    op.create_index(
        op.f("ix_cases_state_seller_id_rank_case_id"), "cases", ["state", "seller_id", "rank", "case_id"], unique=False
    )
    op.create_index(
        op.f("ix_cases_state_value_rank_case_id"), "cases", ["state", "value_rank", "case_id"], unique=False
    )
    op.create_index("ix_cases_waiting", "cases", ["exemplar", "state", "rank", "case_id"], unique=False)
    op.create_table(
        "deadlines",
        sa.Column("deadline_id", identity, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("profile", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", moment, nullable=True),
        sa.Column("due_at", moment, nullable=True),
        sa.Column("latest_at", moment, nullable=True),
        sa.Column("is_provisional", flag, nullable=False),
        sa.Column("marked_at", moment, nullable=True),
        sa.Column("paused_at", moment, nullable=True),
        sa.Column("longer_by", identity, nullable=False),
        sa.Column("is_extended", flag, nullable=False),
        sa.PrimaryKeyConstraint("deadline_id", name=op.f("pk_deadlines")),
        sa.UniqueConstraint("subject", "stage", name=op.f("uq_deadlines_subject_stage")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_deadlines_stage_since"), "deadlines", ["stage", "since"], unique=False)
    op.create_index(op.f("ix_deadlines_state_due_at"), "deadlines", ["state", "due_at"], unique=False)
    op.create_table(
        "referrals",
        sa.Column("referral_id", identity, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("network", identity, nullable=False),
        sa.Column("members_digest", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("brand", sa.Text, nullable=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("built_by", sa.Text, nullable=False),
        sa.Column("built_at", moment, nullable=False),
        sa.Column("content_digest", sa.Text, nullable=False),
        sa.Column("follows", identity, nullable=True),
        sa.Column("n_members", identity, nullable=False),
        sa.Column("n_confirmed", identity, nullable=False),
        sa.Column("value_low", real, nullable=True),
        sa.Column("value", real, nullable=True),
        sa.Column("value_high", real, nullable=True),
        sa.Column("currency", sa.Text, nullable=True),
        sa.Column("solvability", real, nullable=False),
        sa.Column("effort", real, nullable=False),
        sa.Column("signs", sa.Text, nullable=False),
        sa.Column("tells_sellers", flag, nullable=False),
        sa.Column("received_by", sa.Text, nullable=True),
        sa.Column("received_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["follows"], ["referrals.referral_id"], name=op.f("fk_referrals_follows")),
        sa.PrimaryKeyConstraint("referral_id", name=op.f("pk_referrals")),
        sa.UniqueConstraint("reference", name=op.f("uq_referrals_reference")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_referrals_members_digest"), "referrals", ["members_digest"], unique=False)
    op.create_table(
        "enforcement_policies",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("first_used_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_enforcement_policies")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "erasures",
        sa.Column("erasure_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("erased_by", sa.Text, nullable=False),
        sa.Column("erased_at", moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("cases", identity, nullable=False),
        sa.Column("swept_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasures")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_erasures_pseudonym"), "erasures", ["pseudonym"], unique=False)
    op.create_table(
        "notifiers",
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("address", sa.Text, nullable=True),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.CheckConstraint(
            "kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')", name=op.f("ck_notifiers_kind")
        ),
        sa.PrimaryKeyConstraint("notifier_id", name=op.f("pk_notifiers")),
        sa.UniqueConstraint("address", name=op.f("uq_notifiers_address")),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_notifiers_pseudonym")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "outbox",
        sa.Column("message_id", identity, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", identity, server_default="1", nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=True),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("put_at", moment, nullable=False),
        sa.Column("state", sa.Text, server_default="waiting", nullable=False),
        sa.Column("attempts", identity, server_default="0", nullable=False),
        sa.Column("next_try_at", moment, nullable=False),
        sa.Column("holder", sa.Text, nullable=True),
        sa.Column("lease_expires_at", moment, nullable=True),
        sa.Column("last_error", sa.Text, nullable=True),
        sa.Column("settled_at", moment, nullable=True),
        sa.Column("dropped_by", sa.Text, nullable=True),
        sa.Column("dropped_at", moment, nullable=True),
        sa.Column("why_dropped", sa.Text, nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name=op.f("ck_outbox_state")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_outbox_key")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_outbox_kind_settled_at"), "outbox", ["kind", "settled_at"], unique=False)
    op.create_index(op.f("ix_outbox_pseudonym"), "outbox", ["pseudonym"], unique=False)
    op.create_index(
        op.f("ix_outbox_state_next_try_at_message_id"), "outbox", ["state", "next_try_at", "message_id"], unique=False
    )
    op.create_index(op.f("ix_outbox_subject_message_id"), "outbox", ["subject", "message_id"], unique=False)
    op.create_table(
        "platform_answers",
        sa.Column("answer_id", identity, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("said_at", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("told_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=True),
        sa.CheckConstraint(
            "status IN ('accepted', 'done', 'refused', 'failed')", name=op.f("ck_platform_answers_status")
        ),
        sa.PrimaryKeyConstraint("answer_id", name=op.f("pk_platform_answers")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_platform_answers_key"), "platform_answers", ["key"], unique=False)
    op.create_table(
        "rankings",
        sa.Column("ranking_id", identity, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("order", sa.Text, nullable=False),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("usual", sa.Text, nullable=False),
        sa.CheckConstraint("\"order\" IN ('score', 'value', 'fifo')", name=op.f("ck_rankings_order")),
        sa.PrimaryKeyConstraint("ranking_id", name=op.f("pk_rankings")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "seeds",
        sa.Column("seed_id", identity, nullable=False),
        sa.Column("seed", sa.Text, nullable=False),
        sa.Column("drawn_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("seed_id", name=op.f("pk_seeds")),
        sqlite_strict=True,
    )
    op.create_table(
        "seller_keys",
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("seller_id", name=op.f("pk_seller_keys")),
        sa.UniqueConstraint("pseudonym", name=op.f("uq_seller_keys_pseudonym")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "review_queues",
        sa.Column("queue_id", identity, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("removed_at", moment, nullable=True),
        sa.PrimaryKeyConstraint("queue_id", name=op.f("pk_review_queues")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "seller_list_entries",
        sa.Column("entry_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("brand", sa.Text, nullable=True),
        sa.Column("brand_read", sa.Text, nullable=True),
        sa.Column("alias_of", identity, nullable=True),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("encrypted", sa.Text, nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
        sa.Column("added_at", moment, nullable=False),
        sa.Column("until", moment, nullable=True),
        sa.Column("removed_by", sa.Text, nullable=True),
        sa.Column("removed_at", moment, nullable=True),
        sa.Column("why_removed", sa.Text, nullable=True),
        sa.CheckConstraint("kind IN ('authorised', 'denied', 'watched')", name=op.f("ck_seller_list_entries_kind")),
        sa.CheckConstraint("origin IN ('person', 'program', 'brand file')", name=op.f("ck_seller_list_entries_origin")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_seller_list_entries")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_seller_list_entries_alias_of"), "seller_list_entries", ["alias_of"], unique=False)
    op.create_index(
        op.f("ix_seller_list_entries_kind"),
        "seller_list_entries",
        ["kind"],
        unique=False,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_index(
        op.f("ix_seller_list_entries_pseudonym_kind"),
        "seller_list_entries",
        ["pseudonym", "kind"],
        unique=False,
        sqlite_where=sa.text("removed_at IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL"),
    )
    op.create_table(
        "tries",
        sa.Column("try_id", identity, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("name_hash", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("try_id", name=op.f("pk_tries")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_tries_address_at"), "tries", ["address", "at"], unique=False)
    op.create_index(op.f("ix_tries_at"), "tries", ["at"], unique=False)
    op.create_table(
        "user_sellers",
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("since", moment, nullable=False),
        sa.PrimaryKeyConstraint("user_name", "seller_id", name=op.f("pk_user_sellers")),
        sqlite_strict=True,
    )
    op.create_table(
        "users",
        sa.Column("user_id", identity, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("is_active", flag, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.CheckConstraint("role IN ('brand', 'viewer', 'reviewer', 'lead', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "automatic_draws",
        sa.Column("case_id", identity, autoincrement=False, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("score", real, nullable=False),
        sa.Column("sampling_probability", real, nullable=False),
        sa.Column("drawn_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_automatic_draws_case_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_automatic_draws")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_automatic_draws_drawn_at_case_id"), "automatic_draws", ["drawn_at", "case_id"], unique=False
    )
    op.create_table(
        "bands",
        sa.Column("band", identity, autoincrement=False, nullable=False),
        sa.Column("case_id", identity, autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_bands_case_id")),
        sa.PrimaryKeyConstraint("band", "case_id", name=op.f("pk_bands")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "case_comments",
        sa.Column("comment_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("written_at", moment, nullable=False),
        sa.Column("encrypted", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_case_comments_case_id")),
        sa.PrimaryKeyConstraint("comment_id", name=op.f("pk_case_comments")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_case_comments_case_id"), "case_comments", ["case_id"], unique=False)
    op.create_index(op.f("ix_case_comments_pseudonym"), "case_comments", ["pseudonym"], unique=False)
    op.create_table(
        "case_texts",
        sa.Column("case_id", identity, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_case_texts_case_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_case_texts")),
        sqlite_strict=True,
    )
    op.create_table(
        "translations",
        sa.Column("case_id", identity, autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=True),
        sa.Column("made_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_translations_case_id")),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_translations")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_translations_digest"), "translations", ["digest"], unique=False)
    op.create_table(
        "pictures",
        sa.Column("case_id", identity, autoincrement=False, nullable=False),
        sa.Column("position", identity, autoincrement=False, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("tries", identity, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("digest", sa.Text),
        sa.Column("found_at", sa.Text),
        sa.Column("kind", sa.Text),
        sa.Column("width", identity),
        sa.Column("height", identity),
        sa.Column("n_bytes", identity),
        sa.Column("fetched_at", moment),
        sa.Column("why", sa.Text),
        sa.Column("group_id", identity),
        sa.CheckConstraint("state IN ('waiting', 'stored', 'failed', 'left')", name=op.f("ck_pictures_state")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_pictures_case_id")),
        sa.PrimaryKeyConstraint("case_id", "position", name=op.f("pk_pictures")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_pictures_digest"), "pictures", ["digest"], unique=False)
    op.create_index(op.f("ix_pictures_group_id_case_id"), "pictures", ["group_id", "case_id"], unique=False)
    op.create_index(op.f("ix_pictures_state_due_at"), "pictures", ["state", "due_at"], unique=False)
    op.create_index(
        "ix_pictures_ungrouped",
        "pictures",
        ["digest"],
        unique=False,
        sqlite_where=sa.text("state = 'stored' AND group_id IS NULL"),
        postgresql_where=sa.text("state = 'stored' AND group_id IS NULL"),
    )
    op.create_table(
        "picture_groups",
        sa.Column("group_id", identity, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_picture_groups")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_table(
        "reference_pictures",
        sa.Column("reference_id", identity, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
        sa.Column("added_at", moment, nullable=False),
        sa.Column("removed_by", sa.Text),
        sa.Column("removed_at", moment),
        sa.Column("group_id", identity),
        sa.CheckConstraint("kind IN ('counterfeit', 'genuine')", name=op.f("ck_reference_pictures_kind")),
        sa.PrimaryKeyConstraint("reference_id", name=op.f("pk_reference_pictures")),
        sqlite_strict=True,
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_reference_pictures_digest"), "reference_pictures", ["digest"], unique=False)
    op.create_index(op.f("ix_reference_pictures_group_id"), "reference_pictures", ["group_id"], unique=False)
    op.create_index(
        "ix_reference_pictures_ungrouped",
        "reference_pictures",
        ["digest"],
        unique=False,
        sqlite_where=sa.text("removed_at IS NULL AND group_id IS NULL"),
        postgresql_where=sa.text("removed_at IS NULL AND group_id IS NULL"),
    )
    op.create_table(
        "deadline_events",
        sa.Column("sequence", identity, nullable=False),
        sa.Column("deadline_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["deadline_id"], ["deadlines.deadline_id"], name=op.f("fk_deadline_events_deadline_id")
        ),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_deadline_events")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_deadline_events_deadline_id"), "deadline_events", ["deadline_id"], unique=False)
    op.create_table(
        "referral_outcomes",
        sa.Column("outcome_id", identity, nullable=False),
        sa.Column("referral_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("amount", real, nullable=True),
        sa.Column("why", sa.Text, nullable=True),
        sa.Column("noted_by", sa.Text, nullable=False),
        sa.Column("noted_at", moment, nullable=False),
        sa.Column("currency", sa.Text, nullable=True),
        sa.CheckConstraint(
            "kind IN ('opened', 'arrests', 'seized', 'dropped')", name=op.f("ck_referral_outcomes_kind")
        ),
        sa.ForeignKeyConstraint(
            ["referral_id"], ["referrals.referral_id"], name=op.f("fk_referral_outcomes_referral_id")
        ),
        sa.PrimaryKeyConstraint("outcome_id", name=op.f("pk_referral_outcomes")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_referral_outcomes_referral_id"), "referral_outcomes", ["referral_id"], unique=False)
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
        sa.Column("key", sa.Text, nullable=True),
        sa.Column("sampling_probability", real, nullable=True),
        sa.Column("lane", sa.Text, server_default="ranked", nullable=False),
        sa.Column("origin", sa.Text, server_default="review", nullable=False),
        sa.Column("group_key", sa.Text, nullable=True),
        sa.Column("spread_from", identity, nullable=True),
        sa.CheckConstraint(
            "verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')", name=op.f("ck_decisions_verdict")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_decisions_case_id")),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("key", name=op.f("uq_decisions_key")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_decisions_case_id"), "decisions", ["case_id"], unique=False)
    op.create_index(op.f("ix_decisions_decided_at_reviewer"), "decisions", ["decided_at", "reviewer"], unique=False)
    op.create_index(op.f("ix_decisions_group_key"), "decisions", ["group_key"], unique=False)
    op.create_index(op.f("ix_decisions_listing_id"), "decisions", ["listing_id"], unique=False)
    op.create_index(op.f("ix_decisions_reviewer_decided_at"), "decisions", ["reviewer", "decided_at"], unique=False)
    op.create_index(op.f("ix_decisions_reviewer_decision_id"), "decisions", ["reviewer", "decision_id"], unique=False)
    op.create_table(
        "disclosures",
        sa.Column("disclosure_id", identity, nullable=False),
        sa.Column("referral_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("is_confirmed", flag, nullable=False),
        sa.Column("disclosed_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["referral_id"], ["referrals.referral_id"], name=op.f("fk_disclosures_referral_id")),
        sa.PrimaryKeyConstraint("disclosure_id", name=op.f("pk_disclosures")),
        sa.UniqueConstraint("referral_id", "pseudonym", name=op.f("uq_disclosures_referral_id_pseudonym")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_disclosures_pseudonym"), "disclosures", ["pseudonym"], unique=False)
    op.create_table(
        "control_cases",
        sa.Column("control_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("truth", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
        sa.Column("added_at", moment, nullable=False),
        sa.Column("removed_at", moment, nullable=True),
        sa.CheckConstraint("truth IN ('counterfeit', 'genuine')", name=op.f("ck_control_cases_truth")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_control_cases_case_id")),
        sa.PrimaryKeyConstraint("control_id", name=op.f("pk_control_cases")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_control_cases_case_id"), "control_cases", ["case_id"], unique=False)
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("user_id", identity, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_identities_user_id")),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"], unique=False)
    op.create_table(
        "legal_holds",
        sa.Column("hold_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("case_id", identity, nullable=True),
        sa.Column("encrypted", sa.Text, nullable=False),
        sa.Column("placed_by", sa.Text, nullable=False),
        sa.Column("placed_at", moment, nullable=False),
        sa.Column("until", moment, nullable=False),
        sa.Column("released_by", sa.Text, nullable=True),
        sa.Column("released_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_legal_holds_case_id")),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_legal_holds")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_legal_holds_pseudonym"), "legal_holds", ["pseudonym"], unique=False)
    op.create_table(
        "notices",
        sa.Column("notice_id", identity, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("brand", sa.Text, nullable=True),
        sa.Column("encrypted", sa.Text, nullable=False),
        sa.Column("explanation", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=True),
        sa.Column("content_digest", sa.Text, nullable=False),
        sa.Column("tier", sa.Text, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("is_suspended", flag, server_default=sa.false(), nullable=False),
        sa.Column("settled_at", moment, nullable=True),
        sa.CheckConstraint("kind IN ('counterfeit', 'complaint')", name=op.f("ck_notices_kind")),
        sa.ForeignKeyConstraint(["notifier_id"], ["notifiers.notifier_id"], name=op.f("fk_notices_notifier_id")),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notices")),
        sa.UniqueConstraint("notifier_id", "key", name=op.f("uq_notices_notifier_id_key")),
        sa.UniqueConstraint("reference", name=op.f("uq_notices_reference")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_notices_notifier_id"), "notices", ["notifier_id"], unique=False)
    op.create_index(
        op.f("ix_notices_notifier_id_content_digest"), "notices", ["notifier_id", "content_digest"], unique=False
    )
    op.create_index(op.f("ix_notices_tier_received_at"), "notices", ["tier", "received_at"], unique=False)
    op.create_index(
        "ix_notices_waiting",
        "notices",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "notifier_appointments",
        sa.Column("appointment_id", identity, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=True),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("until", moment, nullable=True),
        sa.Column("ground", sa.Text, nullable=False),
        sa.CheckConstraint(
            "kind IN ('rights holder', 'trusted flagger', 'consumer', 'authority')",
            name=op.f("ck_notifier_appointments_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["notifier_id"], ["notifiers.notifier_id"], name=op.f("fk_notifier_appointments_notifier_id")
        ),
        sa.PrimaryKeyConstraint("appointment_id", name=op.f("pk_notifier_appointments")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_notifier_appointments_notifier_id"), "notifier_appointments", ["notifier_id"], unique=False
    )
    op.create_table(
        "notifier_steps",
        sa.Column("step_id", identity, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("taken_by", sa.Text, nullable=False),
        sa.Column("taken_at", moment, nullable=False),
        sa.Column("until", moment, nullable=True),
        sa.Column("why", sa.Text, nullable=False),
        sa.CheckConstraint("kind IN ('warn', 'suspend', 'lift')", name=op.f("ck_notifier_steps_kind")),
        sa.ForeignKeyConstraint(["notifier_id"], ["notifiers.notifier_id"], name=op.f("fk_notifier_steps_notifier_id")),
        sa.PrimaryKeyConstraint("step_id", name=op.f("pk_notifier_steps")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_notifier_steps_notifier_id"), "notifier_steps", ["notifier_id"], unique=False)
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
        sa.Column("model_version", sa.Text, nullable=True),
        sa.Column("threshold", real, nullable=True),
        sa.Column("promised", real, nullable=True),
        sa.Column("bound", real, nullable=True),
        sa.Column("reviews", identity, nullable=True),
        sa.Column("errors", identity, nullable=True),
        sa.Column("since", moment, nullable=True),
        sa.CheckConstraint(
            "cause IN ('data', 'alarm', 'reversals', 'model', 'person')", name=op.f("ck_promises_cause")
        ),
        sa.CheckConstraint("event IN ('given', 'held', 'withdrawn', 'allowed')", name=op.f("ck_promises_event")),
        sa.ForeignKeyConstraint(
            ["policy_digest"], ["enforcement_policies.digest"], name=op.f("fk_promises_policy_digest")
        ),
        sa.PrimaryKeyConstraint("promise_id", name=op.f("pk_promises")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_promises_brand_promise_id"), "promises", ["brand", "promise_id"], unique=False)
    op.create_table(
        "rights_documents",
        sa.Column("document_id", identity, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("filed_at", moment, nullable=False),
        sa.Column("checked_by", sa.Text, nullable=True),
        sa.Column("checked_at", moment, nullable=True),
        sa.Column("is_accepted", flag, nullable=True),
        sa.Column("details", sa.Text, nullable=True),
        sa.Column("valid_until", moment, nullable=True),
        sa.ForeignKeyConstraint(
            ["notifier_id"], ["notifiers.notifier_id"], name=op.f("fk_rights_documents_notifier_id")
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_rights_documents")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_rights_documents_notifier_id"), "rights_documents", ["notifier_id"], unique=False)
    op.create_table(
        "rights_files",
        sa.Column("document_id", identity, autoincrement=False, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["rights_documents.document_id"], name=op.f("fk_rights_files_document_id")
        ),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_rights_files")),
        sqlite_strict=True,
    )
    op.create_table(
        "user_brands",
        sa.Column("binding_id", identity, nullable=False),
        sa.Column("user_id", identity, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("bound_by", sa.Text, nullable=False),
        sa.Column("bound_at", moment, nullable=False),
        sa.Column("ended_by", sa.Text, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["notifier_id"], ["notifiers.notifier_id"], name=op.f("fk_user_brands_notifier_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_user_brands_user_id")),
        sa.PrimaryKeyConstraint("binding_id", name=op.f("pk_user_brands")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_user_brands_user_id"), "user_brands", ["user_id"], unique=False)
    op.create_table(
        "seller_proposals",
        sa.Column("proposal_id", identity, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("notifier_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("encrypted", sa.Text, nullable=False),
        sa.Column("until", moment, nullable=True),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("proposed_at", moment, nullable=False),
        sa.Column("outcome", sa.Text, nullable=True),
        sa.Column("decided_by", sa.Text, nullable=True),
        sa.Column("decided_at", moment, nullable=True),
        sa.CheckConstraint("outcome IN ('listed', 'declined')", name=op.f("ck_seller_proposals_outcome")),
        sa.ForeignKeyConstraint(
            ["notifier_id"], ["notifiers.notifier_id"], name=op.f("fk_seller_proposals_notifier_id")
        ),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_seller_proposals")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_seller_proposals_notifier_id"), "seller_proposals", ["notifier_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("user_id", identity, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "saved_views",
        sa.Column("view_id", identity, nullable=False),
        sa.Column("user_id", identity, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=True),
        sa.Column("is_shared", flag, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_saved_views_user_id")),
        sa.PrimaryKeyConstraint("view_id", name=op.f("pk_saved_views")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_saved_views_user_id_name"), "saved_views", ["user_id", "name"], unique=True)
    op.create_table(
        "start_views",
        sa.Column("user_id", identity, autoincrement=False, nullable=False),
        sa.Column("view_id", identity, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_start_views_user_id")),
        sa.ForeignKeyConstraint(
            ["view_id"], ["saved_views.view_id"], name=op.f("fk_start_views_view_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_start_views")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_start_views_view_id"), "start_views", ["view_id"], unique=False)
    op.create_table(
        "samples",
        sa.Column("sample_id", identity, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("file_digest", sa.Text, nullable=False),
        sa.Column("drawn_at", moment, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("seed_id", identity, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("listings", identity, nullable=False),
        sa.Column("sure", identity, nullable=False),
        sa.ForeignKeyConstraint(["seed_id"], ["seeds.seed_id"], name=op.f("fk_samples_seed_id")),
        sa.PrimaryKeyConstraint("sample_id", name=op.f("pk_samples")),
        sa.UniqueConstraint("digest", name=op.f("uq_samples_digest")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_samples_file_digest"), "samples", ["file_digest"], unique=False)
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
        sa.Column("key", sa.Text, nullable=True),
        sa.Column("filed_at", moment, nullable=False),
        sa.Column("reference", sa.Text, nullable=True),
        sa.Column("holder", sa.Text, nullable=True),
        sa.Column("lease_expires_at", moment, nullable=True),
        sa.CheckConstraint("kind IN ('complaint', 'counter-notice')", name=op.f("ck_appeals_kind")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_appeals_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_appeals_decision_id")),
        sa.PrimaryKeyConstraint("appeal_id", name=op.f("pk_appeals")),
        sa.UniqueConstraint("pseudonym", "key", name=op.f("uq_appeals_pseudonym_key")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_appeals_case_id"), "appeals", ["case_id"], unique=False)
    op.create_index(op.f("ix_appeals_decision_id"), "appeals", ["decision_id"], unique=False)
    op.create_index(op.f("ix_appeals_pseudonym"), "appeals", ["pseudonym"], unique=False)
    op.create_index(op.f("ix_appeals_state_appeal_id"), "appeals", ["state", "appeal_id"], unique=False)
    op.create_index(op.f("ix_appeals_subject"), "appeals", ["subject"], unique=False)
    op.create_table(
        "automatic_decisions",
        sa.Column("decision_id", identity, autoincrement=False, nullable=False),
        sa.Column("promise_id", identity, nullable=False),
        sa.Column("brand", sa.Text, nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.decision_id"], name=op.f("fk_automatic_decisions_decision_id")
        ),
        sa.ForeignKeyConstraint(
            ["promise_id"], ["promises.promise_id"], name=op.f("fk_automatic_decisions_promise_id")
        ),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_automatic_decisions")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_automatic_decisions_brand_decided_at"), "automatic_decisions", ["brand", "decided_at"], unique=False
    )
    op.create_index(op.f("ix_automatic_decisions_promise_id"), "automatic_decisions", ["promise_id"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("evidence_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("encrypted", sa.Text, nullable=False),
        sa.Column("stored_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_evidence_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_evidence_decision_id")),
        sa.PrimaryKeyConstraint("evidence_id", name=op.f("pk_evidence")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_evidence_decision_id")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_evidence_case_id"), "evidence", ["case_id"], unique=False)
    op.create_index(op.f("ix_evidence_pseudonym"), "evidence", ["pseudonym"], unique=False)
    op.create_table(
        "second_reviews",
        sa.Column("review_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("decision_id", identity, nullable=True),
        sa.Column("wanted_at", moment, nullable=False),
        sa.Column("wanted_of", sa.Text, nullable=True),
        sa.Column("not_by", sa.Text, nullable=True),
        sa.Column("sampling_probability", real, nullable=True),
        sa.Column("holder", sa.Text, nullable=True),
        sa.Column("token", identity, nullable=False),
        sa.Column("lease_expires_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.CheckConstraint("kind IN ('control', 'repeat', 'audit', 'second')", name=op.f("ck_second_reviews_kind")),
        sa.CheckConstraint("sampling_probability BETWEEN 0 AND 1", name=op.f("ck_second_reviews_sampling_probability")),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_second_reviews_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_second_reviews_decision_id")),
        sa.PrimaryKeyConstraint("review_id", name=op.f("pk_second_reviews")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_second_reviews_case_id"), "second_reviews", ["case_id"], unique=False)
    op.create_index(
        op.f("ix_second_reviews_ended_at_kind_wanted_at"),
        "second_reviews",
        ["ended_at", "kind", "wanted_at"],
        unique=False,
    )
    op.create_table(
        "measures",
        sa.Column("measure_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("territories", sa.Text, nullable=False),
        sa.Column("until", moment, nullable=True),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("imposed_by", sa.Text, nullable=False),
        sa.Column("imposed_at", moment, nullable=False),
        sa.Column("listed_at", moment, nullable=True),
        sa.Column("sales_before", identity, nullable=True),
        sa.Column("done_at", moment, nullable=True),
        sa.Column("lifted_by", sa.Text, nullable=True),
        sa.Column("lifted_at", moment, nullable=True),
        sa.Column("why_lifted", sa.Text, nullable=True),
        sa.Column("undone_at", moment, nullable=True),
        sa.Column("is_automatic", flag, server_default=sa.false(), nullable=False),
        sa.Column("why", sa.Text, nullable=True),
        sa.Column("replaced_by", identity, nullable=True),
        sa.Column("refused_at", moment, nullable=True),
        sa.Column("why_refused", sa.Text, nullable=True),
        sa.Column("source", sa.Text, server_default="own", nullable=False),
        sa.Column("is_detected", flag, server_default=sa.true(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('label', 'demote', 'pause', 'price-hold', 'remove', 'remove-in')", name=op.f("ck_measures_kind")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_measures_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_measures_decision_id")),
        sa.ForeignKeyConstraint(
            ["policy_digest"], ["enforcement_policies.digest"], name=op.f("fk_measures_policy_digest")
        ),
        sa.PrimaryKeyConstraint("measure_id", name=op.f("pk_measures")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(
        "ix_measures_asked",
        "measures",
        ["imposed_at"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL AND lifted_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL AND lifted_at IS NULL"),
    )
    op.create_index(op.f("ix_measures_case_id"), "measures", ["case_id"], unique=False)
    op.create_index(op.f("ix_measures_decision_id"), "measures", ["decision_id"], unique=False)
    op.create_index(
        "ix_measures_ending",
        "measures",
        ["until"],
        unique=False,
        sqlite_where=sa.text("until IS NOT NULL AND lifted_at IS NULL"),
        postgresql_where=sa.text("until IS NOT NULL AND lifted_at IS NULL"),
    )
    op.create_index(
        "ix_measures_lifted",
        "measures",
        ["lifted_at"],
        unique=False,
        sqlite_where=sa.text("lifted_at IS NOT NULL AND undone_at IS NULL"),
        postgresql_where=sa.text("lifted_at IS NOT NULL AND undone_at IS NULL"),
    )
    op.create_index(op.f("ix_measures_pseudonym"), "measures", ["pseudonym"], unique=False)
    op.create_table(
        "notice_items",
        sa.Column("item_id", identity, nullable=False),
        sa.Column("notice_id", identity, nullable=False),
        sa.Column("position", identity, nullable=False),
        sa.Column("noted_at", moment, nullable=False),
        sa.Column("listing_digest", sa.Text, nullable=False),
        sa.Column("location", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=True),
        sa.Column("case_id", identity, nullable=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("repeats", identity, nullable=True),
        sa.Column("decision_id", identity, nullable=True),
        sa.Column("settled_at", moment, nullable=True),
        sa.Column("overturned_at", moment, nullable=True),
        sa.CheckConstraint(
            "state IN ('unknown', 'waiting', 'upheld', 'rejected', 'undecided', 'not found', 'repeated')",
            name=op.f("ck_notice_items_state"),
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_notice_items_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_notice_items_decision_id")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.notice_id"], name=op.f("fk_notice_items_notice_id")),
        sa.ForeignKeyConstraint(["repeats"], ["notice_items.item_id"], name=op.f("fk_notice_items_repeats")),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_notice_items")),
        sa.UniqueConstraint("notice_id", "position", name=op.f("uq_notice_items_notice_id_position")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_notice_items_case_id"), "notice_items", ["case_id"], unique=False)
    op.create_index(op.f("ix_notice_items_listing_digest"), "notice_items", ["listing_digest"], unique=False)
    op.create_index(op.f("ix_notice_items_pseudonym"), "notice_items", ["pseudonym"], unique=False)
    op.create_index(op.f("ix_notice_items_state_item_id"), "notice_items", ["state", "item_id"], unique=False)
    op.create_table(
        "reversals",
        sa.Column("reversal_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("reversed_at", moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_reversals_decision_id")),
        sa.PrimaryKeyConstraint("reversal_id", name=op.f("pk_reversals")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_reversals_decision_id")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_table(
        "sample_cases",
        sa.Column("sample_id", identity, nullable=False),
        sa.Column("case_id", identity, autoincrement=False, nullable=False),
        sa.Column("stratum", identity, nullable=False),
        sa.Column("random_order", real, nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_sample_cases_case_id")),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.sample_id"], name=op.f("fk_sample_cases_sample_id")),
        sa.PrimaryKeyConstraint("sample_id", "case_id", name=op.f("pk_sample_cases")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_sample_cases_case_id"), "sample_cases", ["case_id"], unique=False)
    op.create_table(
        "sample_strata",
        sa.Column("sample_id", identity, nullable=False),
        sa.Column("stratum", identity, autoincrement=False, nullable=False),
        sa.Column("first", identity, nullable=False),
        sa.Column("last", identity, nullable=False),
        sa.Column("listings", identity, nullable=False),
        sa.Column("shown", identity, nullable=False),
        sa.Column("sampling_probability", real, nullable=False),
        sa.Column("mean_score", real, nullable=False),
        sa.Column("highest_score", real, nullable=True),
        sa.Column("lowest_score", real, nullable=True),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.sample_id"], name=op.f("fk_sample_strata_sample_id")),
        sa.PrimaryKeyConstraint("sample_id", "stratum", name=op.f("pk_sample_strata")),
        sqlite_strict=True,
    )
    op.create_table(
        "stream_strata",
        sa.Column("sample_id", identity, nullable=False),
        sa.Column("stratum", identity, autoincrement=False, nullable=False),
        sa.Column("is_sure", flag, nullable=False),
        sa.Column("sampling_probability", real, nullable=False),
        sa.Column("listings", identity, nullable=False),
        sa.Column("shown", identity, nullable=False),
        sa.Column("expected", real, nullable=False),
        sa.ForeignKeyConstraint(["sample_id"], ["samples.sample_id"], name=op.f("fk_stream_strata_sample_id")),
        sa.PrimaryKeyConstraint("sample_id", "stratum", name=op.f("pk_stream_strata")),
        sqlite_strict=True,
    )
    op.create_table(
        "spread_audits",
        sa.Column("decision_id", identity, autoincrement=False, nullable=False),
        sa.Column("case_id", identity, autoincrement=False, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_spread_audits_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_spread_audits_decision_id")),
        sa.PrimaryKeyConstraint("decision_id", "case_id", name=op.f("pk_spread_audits")),
        sqlite_strict=True,
    )
    op.create_table(
        "statements",
        sa.Column("statement_id", identity, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("puid", sa.Text, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=True),
        sa.Column("letter", sa.Text, nullable=False),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("issued_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_statements_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_statements_decision_id")),
        sa.ForeignKeyConstraint(
            ["policy_digest"], ["enforcement_policies.digest"], name=op.f("fk_statements_policy_digest")
        ),
        sa.PrimaryKeyConstraint("statement_id", name=op.f("pk_statements")),
        sa.UniqueConstraint("puid", name=op.f("uq_statements_puid")),
        sa.UniqueConstraint("subject", name=op.f("uq_statements_subject")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_statements_case_id"), "statements", ["case_id"], unique=False)
    op.create_index(op.f("ix_statements_decision_id"), "statements", ["decision_id"], unique=False)
    op.create_index(op.f("ix_statements_pseudonym"), "statements", ["pseudonym"], unique=False)
    op.create_table(
        "strikes",
        sa.Column("strike_id", identity, nullable=False),
        sa.Column("decision_id", identity, nullable=False),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("ground", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=True),
        sa.Column("weight", real, nullable=False),
        sa.Column("probability", real, nullable=True),
        sa.Column("value", real, nullable=True),
        sa.Column("listings", real, nullable=True),
        sa.Column("age_days", real, nullable=True),
        sa.Column("made_with", identity, nullable=True),
        sa.Column("cluster", identity, nullable=False),
        sa.Column("same_as", identity, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("struck_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_strikes_case_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.decision_id"], name=op.f("fk_strikes_decision_id")),
        sa.ForeignKeyConstraint(
            ["policy_digest"], ["enforcement_policies.digest"], name=op.f("fk_strikes_policy_digest")
        ),
        sa.PrimaryKeyConstraint("strike_id", name=op.f("pk_strikes")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_strikes_decision_id")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_strikes_case_id"), "strikes", ["case_id"], unique=False)
    op.create_index(op.f("ix_strikes_pseudonym_strike_id"), "strikes", ["pseudonym", "strike_id"], unique=False)
    op.create_table(
        "appeal_outcomes",
        sa.Column("appeal_id", identity, autoincrement=False, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("measure_kind", sa.Text, nullable=True),
        sa.ForeignKeyConstraint(["appeal_id"], ["appeals.appeal_id"], name=op.f("fk_appeal_outcomes_appeal_id")),
        sa.PrimaryKeyConstraint("appeal_id", name=op.f("pk_appeal_outcomes")),
        sqlite_strict=True,
    )
    op.create_table(
        "measure_messages",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("measure_id", identity, autoincrement=False, nullable=False),
        sa.Column("effect", sa.Text, nullable=False),
        sa.CheckConstraint("effect IN ('imposed', 'lifted')", name=op.f("ck_measure_messages_effect")),
        sa.ForeignKeyConstraint(["measure_id"], ["measures.measure_id"], name=op.f("fk_measure_messages_measure_id")),
        sa.PrimaryKeyConstraint("key", "measure_id", name=op.f("pk_measure_messages")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_measure_messages_measure_id"), "measure_messages", ["measure_id"], unique=False)
    op.create_table(
        "measure_stakes",
        sa.Column("measure_id", identity, autoincrement=False, nullable=False),
        sa.Column("size_band", sa.Text, nullable=False),
        sa.Column("age_band", sa.Text, nullable=False),
        sa.Column("loss_a_day", real, nullable=True),
        sa.Column("harm", real, nullable=True),
        sa.Column("currency", sa.Text, nullable=True),
        sa.Column("is_assumed", flag, nullable=False),
        sa.Column("stored_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["measure_id"], ["measures.measure_id"], name=op.f("fk_measure_stakes_measure_id")),
        sa.PrimaryKeyConstraint("measure_id", name=op.f("pk_measure_stakes")),
        sqlite_strict=True,
    )
    op.create_table(
        "second_verdicts",
        sa.Column("verdict_id", identity, nullable=False),
        sa.Column("review_id", identity, nullable=True),
        sa.Column("case_id", identity, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("ground", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("reviewer", sa.Text, nullable=False),
        sa.Column("decided_at", moment, nullable=False),
        sa.Column("token", identity, nullable=False),
        sa.Column("key", sa.Text, nullable=True),
        sa.Column("withdrawn_at", moment, nullable=True),
        sa.CheckConstraint(
            "kind IN ('control', 'repeat', 'audit', 'first', 'second')", name=op.f("ck_second_verdicts_kind")
        ),
        sa.CheckConstraint(
            "verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')", name=op.f("ck_second_verdicts_verdict")
        ),
        sa.ForeignKeyConstraint(["case_id"], ["cases.case_id"], name=op.f("fk_second_verdicts_case_id")),
        sa.ForeignKeyConstraint(["review_id"], ["second_reviews.review_id"], name=op.f("fk_second_verdicts_review_id")),
        sa.PrimaryKeyConstraint("verdict_id", name=op.f("pk_second_verdicts")),
        sa.UniqueConstraint("key", name=op.f("uq_second_verdicts_key")),
        sa.UniqueConstraint("review_id", name=op.f("uq_second_verdicts_review_id")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_second_verdicts_case_id"), "second_verdicts", ["case_id"], unique=False)
    op.create_index(
        op.f("ix_second_verdicts_reviewer_kind_decided_at"),
        "second_verdicts",
        ["reviewer", "kind", "decided_at"],
        unique=False,
    )
    op.create_table(
        "penalties",
        sa.Column("penalty_id", identity, nullable=False),
        sa.Column("pseudonym", sa.Text, nullable=False),
        sa.Column("strike_id", identity, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("rung", identity, nullable=False),
        sa.Column("weight", real, nullable=False),
        sa.Column("listings", real, nullable=True),
        sa.Column("age_days", real, nullable=True),
        sa.Column("policy_digest", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("proposed_at", moment, nullable=False),
        sa.Column("imposed_by", sa.Text, nullable=True),
        sa.Column("imposed_at", moment, nullable=True),
        sa.Column("until", moment, nullable=True),
        sa.Column("ended_as", sa.Text, nullable=True),
        sa.Column("ended_by", sa.Text, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("why_ended", sa.Text, nullable=True),
        sa.Column("why_confirmed", sa.Text, nullable=True),
        sa.CheckConstraint(
            "ended_as IN ('taken back', 'lifted', 'dismissed', 'over')", name=op.f("ck_penalties_ended_as")
        ),
        sa.CheckConstraint(
            "kind IN ('warn', 'limit', 'hold payout', 'suspend', 'close')", name=op.f("ck_penalties_kind")
        ),
        sa.ForeignKeyConstraint(
            ["policy_digest"], ["enforcement_policies.digest"], name=op.f("fk_penalties_policy_digest")
        ),
        sa.ForeignKeyConstraint(["strike_id"], ["strikes.strike_id"], name=op.f("fk_penalties_strike_id")),
        sa.PrimaryKeyConstraint("penalty_id", name=op.f("pk_penalties")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_penalties_ended_at_until"), "penalties", ["ended_at", "until"], unique=False)
    op.create_index(op.f("ix_penalties_pseudonym_penalty_id"), "penalties", ["pseudonym", "penalty_id"], unique=False)
    op.create_index(op.f("ix_penalties_strike_id"), "penalties", ["strike_id"], unique=False)
    op.create_table(
        "strikes_taken_back",
        sa.Column("strike_id", identity, autoincrement=False, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["strike_id"], ["strikes.strike_id"], name=op.f("fk_strikes_taken_back_strike_id")),
        sa.PrimaryKeyConstraint("strike_id", name=op.f("pk_strikes_taken_back")),
        sqlite_strict=True,
    )
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
        sa.Column("outcome", sa.Text, nullable=True),
        sa.Column("decided_by", sa.Text, nullable=True),
        sa.Column("decided_at", moment, nullable=True),
        sa.Column("why", sa.Text, nullable=True),
        sa.CheckConstraint("outcome IN ('review', 'nothing')", name=op.f("ck_linked_accounts_outcome")),
        sa.ForeignKeyConstraint(["penalty_id"], ["penalties.penalty_id"], name=op.f("fk_linked_accounts_penalty_id")),
        sa.PrimaryKeyConstraint("link_id", name=op.f("pk_linked_accounts")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_linked_accounts_linked_to"), "linked_accounts", ["linked_to"], unique=False)
    op.create_index(
        op.f("ix_linked_accounts_penalty_id_pseudonym_kind"),
        "linked_accounts",
        ["penalty_id", "pseudonym", "kind"],
        unique=True,
    )
    op.create_index(op.f("ix_linked_accounts_pseudonym"), "linked_accounts", ["pseudonym"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("runner", sa.Text, nullable=True),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("finished_at", moment, nullable=True),
        sa.Column("seconds", real, nullable=True),
        sa.Column("outcome", sa.Text, nullable=True),
        sa.Column("words", sa.Text, nullable=True),
        sa.Column("runs", identity, nullable=False, server_default="0"),
        sa.Column("failures", identity, nullable=False, server_default="0"),
        sa.Column("failures_in_a_row", identity, nullable=False, server_default="0"),
        sa.Column("done_at", moment, nullable=True),
        sa.CheckConstraint("outcome IN ('done', 'failed', 'interrupted')", name=op.f("ck_jobs_outcome")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_jobs")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "listings",
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("sent", sa.Text, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("score", real, nullable=True),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("snapshot", sa.Text, nullable=False),
        sa.Column("withdrawn_at", moment, nullable=True),
        sa.Column("own_history", sa.Text, nullable=False),
        sa.Column("history_as_of", moment, nullable=False),
        sa.Column("last_event", identity, nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("sample_id", identity, nullable=False),
        sa.Column("news_at", moment),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck_listings_score")),
        sa.PrimaryKeyConstraint("listing_id", name=op.f("pk_listings")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_listings_received_at"), "listings", ["received_at"], unique=False)
    op.create_index(op.f("ix_listings_seller_id"), "listings", ["seller_id"], unique=False)
    op.create_table(
        "seller_events",
        sa.Column("event_number", identity, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("occurred_at", moment, nullable=False),
        sa.Column("known_at", moment, nullable=False),
        sa.Column("millionths", identity, nullable=False),
        sa.Column("counts_from", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.CheckConstraint(
            "kind IN ('joined', 'listed', 'sold', 'returned', 'complained', 'rated', 'struck')",
            name=op.f("ck_seller_events_kind"),
        ),
        sa.PrimaryKeyConstraint("event_number", name=op.f("pk_seller_events")),
        sa.UniqueConstraint("event_id", name=op.f("uq_seller_events_event_id")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_seller_events_received_at"), "seller_events", ["received_at"], unique=False)
    op.create_index(
        op.f("ix_seller_events_seller_id_counts_from"), "seller_events", ["seller_id", "counts_from"], unique=False
    )
    op.create_table(
        "portfolio_listings",
        sa.Column("entry_number", identity, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("listing_id", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("moment", moment, nullable=False),
        sa.Column("suspicion", identity, nullable=True),
        sa.Column("received_at", moment, nullable=False),
        sa.CheckConstraint("suspicion BETWEEN 0 AND 1000", name=op.f("ck_portfolio_listings_suspicion")),
        sa.PrimaryKeyConstraint("entry_number", name=op.f("pk_portfolio_listings")),
        sa.UniqueConstraint("listing_id", "model_version", name=op.f("uq_portfolio_listings_listing_id_model_version")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_portfolio_listings_received_at"), "portfolio_listings", ["received_at"], unique=False)
    op.create_index(
        op.f("ix_portfolio_listings_seller_id_model_version_moment_suspicion"),
        "portfolio_listings",
        ["seller_id", "model_version", "moment", "suspicion"],
        unique=False,
    )
    op.create_table(
        "portfolios",
        sa.Column("portfolio_number", identity, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("n", identity, nullable=False),
        sa.Column("suspicion", identity, nullable=False),
        sa.Column("latest", moment, nullable=False),
        sa.Column("n_before", identity, nullable=False),
        sa.Column("suspicion_before", identity, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("portfolio_number", name=op.f("pk_portfolios")),
        sa.UniqueConstraint("seller_id", "model_version", name=op.f("uq_portfolios_seller_id_model_version")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_portfolios_changed_at"), "portfolios", ["changed_at"], unique=False)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
