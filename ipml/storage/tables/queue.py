"""The queue: cases, what was decided on them, by what they are ordered, and which are alike."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, text

from ipml.storage.tables.kinds import Identity, Moment, Real, metadata

_HELD = text("holder IS NOT NULL")
_DRAWN = text("drawn_at IS NOT NULL")
_PENDING = text("state IN ('open', 'escalated')")

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
    Column("worth", Text, doc="the parts of that value as JSON"),
    Column("minutes", Real, doc="that its review takes by the policy"),
    Column("due_at", Moment, doc="by when it must be decided"),
    Column("score_rank", Real, nullable=False, server_default=text("0"), doc="its rank were the queue sorted by score"),
    Column("value_rank", Real, nullable=False, server_default=text("0"), doc="and by value per minute"),
    Column("odds", Real, doc="with which it was shown; empty where it did not come through a sift"),
    Column("lane", Text, nullable=False, server_default="ranked", doc="'ranked' or 'explored'"),
    Column("lot", Real, doc="0-1, drawn: the order in which explored cases are taken"),
    Column("exemplar", Identity, doc="the case that is reviewed for this one, which waits; empty where it is shown"),
    Column("relisting_of", Identity, doc="the case of a removed listing that it is alike"),
    Column("category", Text),
    Column("erased_at", Moment, doc="when the listing was erased; what is there instead only stands in for it"),
    Column("version", Identity, nullable=False, server_default="1", doc="counts the contents that the listing has had"),
    Column("content", Text, doc="digest of what is offered, but for the price"),
    Column("brand_read", Text, doc="the brand without case, as the model read it where the field names none"),
    Column("seen_at", Moment, doc="when this content was last seen"),
    Column("drawn_at", Moment, doc="when a policy drew it for people to watch the policy by; see automatic_draws"),
    CheckConstraint("state IN ('open', 'decided', 'escalated', 'superseded')", name="state"),
    CheckConstraint("score BETWEEN 0 AND 1", name="score"),
    Index(None, "seller_id", "rank", "case_id"),
    Index(None, "state", "due_at", "minutes"),
    Index(None, "state", "score_rank", "case_id"),
    Index(None, "state", "value_rank", "case_id"),
    Index("ix_cases_waiting", "exemplar", "state", "rank", "case_id"),
    # A filter reads its cases in their order, and no others; or goes through the order without reading cases.
    Index("ix_cases_in_order", "state", "rank", "case_id", "score_rank", "enqueued_at", "due_at", "exemplar"),
    Index(None, "state", "seller_id", "rank", "case_id"),
    Index(None, "state", "brand", "rank", "case_id"),
    Index(None, "state", "category", "rank", "case_id"),
    Index(None, "state", "brand_read", "case_id"),
    Index(None, "state", "enqueued_at", "case_id"),
    Index(None, "lease_expires_at", sqlite_where=_HELD, postgresql_where=_HELD),
    Index(None, "state", "lane", "lot"),
    Index(None, "holder"),
    Index(None, "listing_id"),  # by which notices find the case of a listing
    # Few are drawn: whoever takes a case must not look through all for them.
    Index(None, "state", "drawn_at", "case_id", sqlite_where=_DRAWN, postgresql_where=_DRAWN),
    # Of one listing one case is for people to decide.
    Index("ix_cases_pending", "listing_id", unique=True, sqlite_where=_PENDING, postgresql_where=_PENDING),
    sqlite_strict=True,
    sqlite_autoincrement=True,  # the audit names cases by number, so a number is never given twice
)

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
    Column("odds", Real, doc="with which the case had been shown"),
    Column("lane", Text, nullable=False, server_default="ranked", doc="in which the case was taken"),
    Column("origin", Text, nullable=False, server_default="review", doc="how it came about: review, bulk, spread, …"),
    Column("group_key", Text, doc="shared by the decisions that were made, and can be undone, as one"),
    Column("spread_from", Identity, doc="the decision on the exemplar that it repeats"),
    CheckConstraint("verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')", name="verdict"),
    Index(None, "group_key"),
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

case_texts = Table(
    "case_texts",
    metadata,
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False, doc="what a search looks through, folded"),
    sqlite_strict=True,
)

bands = Table(
    "bands",
    metadata,
    Column("band", Identity, primary_key=True, autoincrement=False, doc="hash of a part of a signature"),
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

spread_audits = Table(
    "spread_audits",
    metadata,
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), primary_key=True, autoincrement=False),
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False),
    Column("verdict", Text, nullable=False, doc="what the spread would have said; the case stays open for a person"),
    sqlite_strict=True,
)
