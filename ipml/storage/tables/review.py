"""Review tables: users, cases, decisions, blind re-reviews, samples, and the audit trail."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, text

from ipml.storage.tables.columns import Flag, Identity, Moment, Real, metadata

users = Table(
    "users",
    metadata,
    Column("user_id", Identity, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False, doc="empty: nobody logs in as them by a password"),
    Column("role", Text, nullable=False),
    Column("is_active", Flag, nullable=False, default=True),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("role IN ('brand', 'viewer', 'reviewer', 'lead', 'admin')", name="role"),
    sqlite_strict=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Identity, ForeignKey("users.user_id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, doc="however busy it is"),
    Column("seen_at", Moment, nullable=False, doc="last request, give or take a minute"),
    sqlite_strict=True,
)

tries = Table(
    "tries",
    metadata,
    Column("try_id", Identity, primary_key=True),
    Column("address", Text, nullable=False, doc="from where: an IPv4 address, or an IPv6 network of 64 bits"),
    Column("name_hash", Text, nullable=False, doc="people type passwords into the field of names"),
    Column("at", Moment, nullable=False, index=True),
    Index(None, "address", "at"),
    sqlite_strict=True,
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True, doc="the provider that knows the person"),
    Column("subject", Text, primary_key=True, doc="its name for them, which it gives nobody else"),
    Column("user_id", Identity, ForeignKey("users.user_id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    sqlite_strict=True,
)

user_sellers = Table(
    "user_sellers",
    metadata,
    Column("user_name", Text, primary_key=True),
    Column("seller_id", Text, primary_key=True),
    Column("since", Moment, nullable=False),
    sqlite_strict=True,
)

_IN_FORCE = text("removed_at IS NULL")

seller_list_entries = Table(
    "seller_list_entries",
    metadata,
    Column("entry_id", Identity, primary_key=True),
    Column("kind", Text, nullable=False, doc="the list: 'authorised', 'denied' or 'watched'"),
    Column("pseudonym", Text, nullable=False, index=True, doc="of the seller"),
    Column("brand", Text, doc="as it was given; empty: listings of any brand"),
    Column("brand_read", Text, doc="the name of the brand that listings are compared with, without case"),
    Column("alias_of", Identity, doc="the entry of which this one holds another name of the brand"),
    Column("origin", Text, nullable=False, doc="how it came: 'person', 'program' or 'brand file'"),
    Column("encrypted", Text, nullable=False, doc="reason and source as JSON, encrypted with the seller's key"),
    Column("added_by", Text, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("until", Moment, doc="when it ends by itself"),
    Column("removed_by", Text),
    Column("removed_at", Moment),
    Column("why_removed", Text, doc="encrypted; empty where another entry took its place, or the brand file has none"),
    CheckConstraint("kind IN ('authorised', 'denied', 'watched')", name="kind"),
    CheckConstraint("origin IN ('person', 'program', 'brand file')", name="origin"),
    Index(None, "pseudonym", "kind", sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE),
    Index(None, "kind", sqlite_where=_IN_FORCE, postgresql_where=_IN_FORCE),
    Index(None, "alias_of"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)


_HELD = text("holder IS NOT NULL")
_DRAWN = text("drawn_at IS NOT NULL")
_ASSIGNED = text("assigned_to IS NOT NULL")
_PENDING = text("state IN ('open', 'escalated')")
_MATCHED = text("match_kind IS NOT NULL")

cases = Table(
    "cases",
    metadata,
    Column("case_id", Identity, primary_key=True),
    Column("listing_key", Text, nullable=False, unique=True, doc="the listing as observed once"),
    Column("listing_id", Text, nullable=False),
    Column("observed_at", Moment),
    Column("seller_id", Text, nullable=False),
    Column("brand", Text),
    Column("score", Real, doc="0-1; empty where the model abstained"),
    Column("rank", Real, nullable=False, doc="what the queue is sorted by, smallest first"),
    Column("model_version", Text, nullable=False),
    Column("snapshot", Text, nullable=False, doc="the scored listing as JSON"),
    Column("state", Text, nullable=False),
    Column("enqueued_at", Moment, nullable=False),
    Column("holder", Text, doc="who claimed it last, until decided or released"),
    Column("token", Identity, nullable=False, default=0, doc="counts the claims"),
    Column("lease_expires_at", Moment),
    Column("value", Real, doc="of its review, in the currency of the policy"),
    Column("expected_value", Text, doc="the parts of that value as JSON"),
    Column("minutes", Real, doc="that its review takes by the policy"),
    Column("due_at", Moment, doc="by when it must be decided"),
    Column("score_rank", Real, nullable=False, server_default=text("0"), doc="its rank were the queue sorted by score"),
    Column("value_rank", Real, nullable=False, server_default=text("0"), doc="and by value per minute"),
    Column("sampling_probability", Real, doc="with which it was shown; empty where it did not come through a sample"),
    Column("lane", Text, nullable=False, server_default="ranked", doc="'ranked' or 'explored'"),
    Column("random_order", Real, doc="0-1, drawn: the order in which explored cases are taken"),
    Column("exemplar", Identity, doc="the case that is reviewed for this one, which waits; empty where it is shown"),
    Column("relisting_of", Identity, doc="the case of a removed listing that it is alike"),
    Column("category", Text),
    Column("erased_at", Moment, doc="when the listing was replaced by a placeholder"),
    Column("version", Identity, nullable=False, server_default="1", doc="counts the contents that the listing has had"),
    Column("content", Text, doc="digest of what is offered, but for the price"),
    Column("brand_read", Text, doc="the brand without case, as the model read it where the field names none"),
    Column("seen_at", Moment, doc="when this content was last seen"),
    Column("drawn_at", Moment, doc="when a policy drew it for people to watch the policy by; see automatic_draws"),
    Column("assigned_to", Text, doc="the user who is to decide it"),
    Column("snoozed_until", Moment, doc="until when it is out of the queue, unless it is due before"),
    Column("script", Text, doc="in which most of the title is written"),
    Column("queue_id", Identity, doc="the queue whose people decide it; empty: everybody"),
    Column("successor", Identity, doc="of a superseded case: the one in its place; an earlier one if changed back"),
    Column("match_kind", Text, doc="in which way it matched that removed listing when it came in, beside the title"),
    Column("match_precision", Real, doc="0-1, share of such matches that people had found counterfeit by then"),
    CheckConstraint("state IN ('open', 'decided', 'escalated', 'superseded')", name="state"),
    CheckConstraint("score BETWEEN 0 AND 1", name="score"),
    Index(None, "seller_id", "rank", "case_id"),
    Index(None, "state", "due_at", "minutes"),
    Index(None, "state", "score_rank", "case_id"),
    Index(None, "state", "value_rank", "case_id"),
    Index("ix_cases_waiting", "exemplar", "state", "rank", "case_id"),
    # Filters read only their own cases in order, or walk the order without reading cases.
    Index(
        "ix_cases_in_order",
        *("state", "rank", "case_id", "score_rank", "enqueued_at", "due_at", "exemplar", "snoozed_until"),
    ),
    Index(None, "assigned_to", "state", "rank", sqlite_where=_ASSIGNED, postgresql_where=_ASSIGNED),
    Index(None, "state", "seller_id", "rank", "case_id"),
    # Includes the columns that a count of a queue needs.
    Index(
        "ix_cases_queued",
        *("state", "queue_id", "rank", "case_id", "exemplar", "snoozed_until", "due_at"),
    ),
    Index(None, "state", "brand", "rank", "case_id"),
    Index(None, "state", "category", "rank", "case_id"),
    Index(None, "state", "brand_read", "case_id"),
    Index(None, "state", "enqueued_at", "case_id"),
    Index(None, "lease_expires_at", sqlite_where=_HELD, postgresql_where=_HELD),
    Index(None, "state", "lane", "random_order"),
    Index(None, "holder"),
    Index(None, "listing_id"),  # for notices, to find the case of a listing
    # Few cases are drawn; a claim must not scan all cases for them.
    Index(None, "state", "drawn_at", "case_id", sqlite_where=_DRAWN, postgresql_where=_DRAWN),
    # For the precision of matches: the newest of all, those with one listing, and those of a seller.
    Index("ix_cases_matched", "state", "case_id", sqlite_where=_MATCHED, postgresql_where=_MATCHED),
    Index("ix_cases_matched_seller", "seller_id", "case_id", sqlite_where=_MATCHED, postgresql_where=_MATCHED),
    Index("ix_cases_matched_with", "relisting_of", "case_id", sqlite_where=_MATCHED, postgresql_where=_MATCHED),
    # A listing has at most one pending case.
    Index("ix_cases_pending", "listing_id", unique=True, sqlite_where=_PENDING, postgresql_where=_PENDING),
    sqlite_strict=True,
    sqlite_autoincrement=True,  # the audit names cases by number, so a number is never given twice
)

_IS_SPREAD = text("spread_from IS NOT NULL")

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Identity, primary_key=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("listing_id", Text, nullable=False, index=True),
    Column("verdict", Text, nullable=False),
    Column("ground", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("token", Identity, nullable=False, doc="of the claim it was made under"),
    Column("key", Text, unique=True, doc="the caller's, so that a repeated request decides once"),
    Column("sampling_probability", Real, doc="with which the case had been shown"),
    Column("lane", Text, nullable=False, server_default="ranked", doc="in which the case was taken"),
    Column("origin", Text, nullable=False, server_default="review", doc="how it came about: review, bulk, spread, …"),
    Column("group_key", Text, doc="shared by the decisions that were made, and can be undone, as one"),
    Column("spread_from", Identity, doc="the decision on the exemplar that it repeats"),
    CheckConstraint("verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')", name="verdict"),
    Index(None, "group_key"),
    Index(None, "spread_from", sqlite_where=_IS_SPREAD, postgresql_where=_IS_SPREAD),
    Index(None, "reviewer", "decision_id"),
    Index(None, "reviewer", "decided_at"),
    Index(None, "decided_at", "reviewer"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

reversals = Table(
    "reversals",
    metadata,
    Column("reversal_id", Identity, primary_key=True),
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), nullable=False, unique=True),
    Column("reviewer", Text, nullable=False, doc="who took the decision back"),
    Column("reversed_at", Moment, nullable=False),
    Column("why", Text, nullable=False),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

rankings = Table(
    "rankings",
    metadata,
    Column("ranking_id", Identity, primary_key=True, doc="the highest is in force"),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("order", Text, nullable=False),
    Column("policy_digest", Text, nullable=False),
    Column("policy", Text, nullable=False, doc="as JSON"),
    Column("usual", Text, nullable=False, doc="medians of the queue at that moment, as JSON"),
    CheckConstraint("\"order\" IN ('score', 'value', 'fifo')", name="order"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

case_comments = Table(
    "case_comments",
    metadata,
    Column("comment_id", Identity, primary_key=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("pseudonym", Text, nullable=False, doc="of the seller"),
    Column("author", Text, nullable=False),
    Column("written_at", Moment, nullable=False),
    Column("encrypted", Text, nullable=False, doc="what was written, encrypted with the seller's key"),
    Index(None, "pseudonym"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

_UNREAD = text("read_at IS NULL")

inbox_messages = Table(
    "inbox_messages",
    metadata,
    Column("message_id", Identity, primary_key=True),
    Column("user_name", Text, nullable=False, doc="whose it is"),
    Column("kind", Text, nullable=False),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("source_id", Identity, nullable=False, doc="the comment, decision, appeal or second verdict it is about"),
    Column("sent_at", Moment, nullable=False),
    Column("read_at", Moment),
    CheckConstraint("kind IN ('mention', 'escalation', 'appeal', 'outcome', 'second review')", name="kind"),
    Index(None, "user_name", "message_id"),
    # The count of unread messages is part of every page.
    Index("ix_inbox_messages_unread", "user_name", "case_id", sqlite_where=_UNREAD, postgresql_where=_UNREAD),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

review_queues = Table(
    "review_queues",
    metadata,
    Column("queue_id", Identity, primary_key=True),
    Column("name", Text, nullable=False),
    Column("rule", Text, nullable=False, doc="brands, categories and scripts of its cases, and its people, as JSON"),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("removed_at", Moment),
    Column("place", Identity, nullable=False, server_default=text("0"), doc="in their order; equal ones by number"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

changes = Table(
    "changes",
    metadata,
    Column("change_id", Identity, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
    Column("content", Text, nullable=False, doc="numbers of cases, queue or list entry, before and after, as JSON"),
    Column("undone_at", Moment),
    CheckConstraint("kind IN ('assigned', 'snoozed', 'control', 'queue', 'list')", name="kind"),
    Index(None, "changed_by", "change_id"),
    Index(None, "changed_at"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

note_templates = Table(
    "note_templates",
    metadata,
    Column("template_id", Identity, primary_key=True),
    Column("ground", Text, nullable=False, doc="of the verdict that it is for; empty: of any"),
    Column("text", Text, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", Moment, nullable=False),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("view_id", Identity, primary_key=True),
    Column("user_id", Identity, ForeignKey("users.user_id"), nullable=False, doc="whose it is"),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False, doc="filter, order and state, as the address of the list has them"),
    Column("seller_id", Text, doc="the seller it names, or the words, which may name one: it is erased with them"),
    Column("is_shared", Flag, nullable=False, doc="whether everybody sees it"),
    Index(None, "user_id", "name", unique=True),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

start_views = Table(
    "start_views",
    metadata,
    Column("user_id", Identity, ForeignKey("users.user_id"), primary_key=True, autoincrement=False),
    Column("view_id", Identity, ForeignKey("saved_views.view_id", ondelete="CASCADE"), nullable=False, index=True),
    sqlite_strict=True,
)

case_texts = Table(
    "case_texts",
    metadata,
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False, doc="what a search looks through, folded"),
    sqlite_strict=True,
)

translations = Table(
    "translations",
    metadata,
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False),
    Column("digest", Text, nullable=False, index=True, doc="of the title and the language it is translated into"),
    Column("text", Text, nullable=False, doc="by a machine; empty where the title is in that language already"),
    Column("language", Text, doc="of the title, as the machine took it"),
    Column("made_at", Moment, nullable=False),
    sqlite_strict=True,
)

bands = Table(
    "bands",
    metadata,
    Column("band", Identity, primary_key=True, autoincrement=False, doc="hash of a part of a signature"),
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False, index=True),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

spread_audits = Table(
    "spread_audits",
    metadata,
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), primary_key=True, autoincrement=False),
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False, index=True),
    Column("verdict", Text, nullable=False, doc="what the spread would have said; the case stays open for a person"),
    sqlite_strict=True,
)


second_reviews = Table(
    "second_reviews",
    metadata,
    Column("review_id", Identity, primary_key=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column(
        "decision_id", Identity, ForeignKey("decisions.decision_id"), index=True, doc="the decision it looks at again"
    ),
    Column("wanted_at", Moment, nullable=False, doc="not before this moment"),
    Column("wanted_of", Text, doc="the one who is to look; anybody else but `not_by` where empty"),
    Column("not_by", Text),
    Column("sampling_probability", Real, doc="with which the decision was drawn"),
    Column("holder", Text, doc="who took it last"),
    Column("token", Identity, nullable=False, default=0, doc="of the case, as it was when this was taken"),
    Column("lease_expires_at", Moment),
    Column("ended_at", Moment, doc="when the second verdict came, or was no longer wanted"),
    CheckConstraint("kind IN ('control', 'repeat', 'audit', 'second')", name="kind"),
    CheckConstraint("sampling_probability BETWEEN 0 AND 1", name="sampling_probability"),
    Index(None, "ended_at", "kind", "wanted_at"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

second_verdicts = Table(
    "second_verdicts",
    metadata,
    Column("verdict_id", Identity, primary_key=True),
    Column(
        "review_id",
        Identity,
        ForeignKey("second_reviews.review_id"),
        unique=True,
        doc="empty for the first of two verdicts",
    ),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("listing_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("ground", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("token", Identity, nullable=False, doc="of the claim it was given under"),
    Column("key", Text, unique=True, doc="the caller's, as in decisions"),
    Column("withdrawn_at", Moment, doc="when its reviewer took it back"),
    CheckConstraint("kind IN ('control', 'repeat', 'audit', 'first', 'second')", name="kind"),
    CheckConstraint("verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')", name="verdict"),
    Index(None, "reviewer", "kind", "decided_at"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

control_cases = Table(
    "control_cases",
    metadata,
    Column("control_id", Identity, primary_key=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("truth", Text, nullable=False),
    Column("source", Text, nullable=False, doc="how the truth is known"),
    Column("added_by", Text, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("removed_at", Moment),
    CheckConstraint("truth IN ('counterfeit', 'genuine')", name="truth"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)


seeds = Table(
    "seeds",
    metadata,
    Column("seed_id", Identity, primary_key=True),
    Column("seed", Text, nullable=False, doc="hexadecimal; secret, since it determines which listings are drawn"),
    Column("drawn_at", Moment, nullable=False),
    sqlite_strict=True,
)

samples = Table(
    "samples",
    metadata,
    Column("sample_id", Identity, primary_key=True),
    Column("digest", Text, nullable=False, unique=True, doc="of the file and of how it was sampled"),
    Column("file_digest", Text, nullable=False, index=True, doc="of keys and scores, so that a file counts once"),
    Column("drawn_at", Moment, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("seed_id", Identity, ForeignKey("seeds.seed_id"), nullable=False),
    Column("rule", Text, nullable=False, doc="JSON: by what rule listings were enqueued"),
    Column("listings", Identity, nullable=False, doc="how many came by"),
    Column("sure", Identity, nullable=False, doc="how many were enqueued for their score"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

sample_strata = Table(
    "sample_strata",
    metadata,
    Column("sample_id", Identity, ForeignKey("samples.sample_id"), primary_key=True),
    Column("stratum", Identity, primary_key=True, autoincrement=False),
    Column("first", Identity, nullable=False, doc="place of its most suspicious listing in the file, from 1"),
    Column("last", Identity, nullable=False),
    Column("listings", Identity, nullable=False),
    Column("shown", Identity, nullable=False, doc="how many of them became cases"),
    Column("sampling_probability", Real, nullable=False, doc="with which each of them became a case"),
    Column("mean_score", Real, nullable=False),
    Column("highest_score", Real, doc="empty where the model abstained"),
    Column("lowest_score", Real),
    sqlite_strict=True,
)

stream_strata = Table(
    "stream_strata",
    metadata,
    Column("sample_id", Identity, ForeignKey("samples.sample_id"), primary_key=True),
    Column("stratum", Identity, primary_key=True, autoincrement=False),
    Column("is_sure", Flag, nullable=False, doc="whether its listings are enqueued for their score"),
    Column("sampling_probability", Real, nullable=False, doc="with which each of them became a case"),
    Column("listings", Identity, nullable=False, doc="how many came by"),
    Column("shown", Identity, nullable=False, doc="how many of them became cases"),
    Column("expected", Real, nullable=False, doc="sum of their scores"),
    sqlite_strict=True,
)
sample_cases = Table(
    "sample_cases",
    metadata,
    Column("sample_id", Identity, ForeignKey("samples.sample_id"), primary_key=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, index=True, autoincrement=False),
    Column("stratum", Identity, nullable=False),
    Column("random_order", Real, doc="empty where the case was enqueued for its score"),
    sqlite_strict=True,
)


audit = Table(
    "audit",
    metadata,
    Column("sequence", Identity, primary_key=True, autoincrement=False, doc="1, 2, 3, … without gaps"),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("payload", Text, nullable=False, doc="JSON of ids, numbers and hashes; no listing text"),
    Column("previous", Text, nullable=False, doc="hash of the row before"),
    Column("hash", Text, nullable=False),
    sqlite_strict=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("name", Text, primary_key=True, doc="one of those that `ipml worker` does"),
    Column("schedule", Text, nullable=False, doc="such as 15m, or 03:00 in UTC"),
    Column("due_at", Moment, nullable=False, doc="when it is done next"),
    Column("runner", Text, doc="the worker that does it just now; empty between runs"),
    Column("started_at", Moment, doc="of the last run, as all that follows"),
    Column("finished_at", Moment),
    Column("seconds", Real),
    Column("outcome", Text, doc="empty before the first run"),
    Column("words", Text, doc="what was done, or what went wrong"),
    Column("runs", Identity, nullable=False, server_default="0"),
    Column("failures", Identity, nullable=False, server_default="0", doc="of all runs, failed or interrupted"),
    Column("failures_in_a_row", Identity, nullable=False, server_default="0"),
    Column("done_at", Moment, doc="end of the last run that did not fail"),
    CheckConstraint("outcome IN ('done', 'failed', 'interrupted')", name="outcome"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
