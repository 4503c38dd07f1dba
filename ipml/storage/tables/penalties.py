"""Strikes of sellers and what they led to, whom a lead should look at, and what a measure put at stake.

What tells of a seller in words is sealed; numbers are kept to two digits: enough for proportion, too
few to know anybody by.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text

from ipml.storage.tables.kinds import Flag, Identity, Moment, Real, metadata

strikes = Table(
    "strikes",
    metadata,
    Column("strike_id", Identity, primary_key=True),
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), nullable=False, unique=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("pseudonym", Text, nullable=False),
    Column("ground", Text, nullable=False),
    Column("category", Text, doc="where the policy has a severity for it"),
    Column("weight", Real, nullable=False),
    Column("probability", Real, doc="the score; empty where the model abstained"),
    Column("value", Real, doc="price x units sold until the next look; empty where not known"),
    Column("listings", Real, doc="that the seller had, to two digits, as far as known"),
    Column("age_days", Real, doc="of the seller, likewise"),
    Column("made_with", Identity, doc="the first of the decisions that were made as one"),
    Column("cluster", Identity, nullable=False, doc="the case that was reviewed for it, or its own"),
    Column("same_as", Identity, nullable=False, doc="the case of the first decision on the same listing"),
    Column("seen_at", Moment, nullable=False, doc="when the listing was last seen up"),
    Column("struck_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("policy_digest", Text, ForeignKey("enforcement_policies.digest"), nullable=False),
    Column("currency", Text, doc="of the value"),
    Index(None, "pseudonym", "strike_id"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

strikes_taken_back = Table(
    "strikes_taken_back",
    metadata,
    Column("strike_id", Identity, ForeignKey("strikes.strike_id"), primary_key=True, autoincrement=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("why", Text, nullable=False, doc="sealed; empty where the seller was erased"),
    sqlite_strict=True,
)

penalties = Table(
    "penalties",
    metadata,
    Column("penalty_id", Identity, primary_key=True),
    Column("pseudonym", Text, nullable=False),
    Column("strike_id", Identity, ForeignKey("strikes.strike_id"), nullable=False, index=True, doc="the last one"),
    Column("kind", Text, nullable=False),
    Column("rung", Identity, nullable=False, doc="its place on the ladder, from 0"),
    Column("weight", Real, nullable=False, doc="of the strikes when it was proposed"),
    Column("listings", Real, doc="that the seller had then, to two digits"),
    Column("age_days", Real, doc="of the seller then, likewise"),
    Column("policy_digest", Text, ForeignKey("enforcement_policies.digest"), nullable=False),
    Column("why", Text, nullable=False, doc="sentences as JSON, sealed"),
    Column("proposed_at", Moment, nullable=False),
    Column("imposed_by", Text, doc="empty while a person must confirm it"),
    Column("imposed_at", Moment),
    Column("until", Moment, doc="when it ends by itself"),
    Column("ended_as", Text),
    Column("ended_by", Text),
    Column("ended_at", Moment),
    Column("why_ended", Text, doc="sealed; empty where the seller was erased"),
    Column("why_confirmed", Text, doc="likewise"),
    CheckConstraint("kind IN ('warn', 'limit', 'hold payout', 'suspend', 'close')", name="kind"),
    CheckConstraint("ended_as IN ('taken back', 'lifted', 'dismissed', 'over')", name="ended_as"),
    Index(None, "pseudonym", "penalty_id"),
    Index(None, "ended_at", "until"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

linked_accounts = Table(
    "linked_accounts",
    metadata,
    Column("link_id", Identity, primary_key=True),
    Column("pseudonym", Text, nullable=False, index=True, doc="the account that a lead should look at"),
    Column("linked_to", Text, nullable=False, index=True, doc="the seller with the penalty"),
    Column("penalty_id", Identity, ForeignKey("penalties.penalty_id"), nullable=False),
    Column("kind", Text, nullable=False, doc="of evidence: phone, payout, address, …"),
    Column("weight", Real, nullable=False, doc="0-1: how sure the link is"),
    Column("evidence", Text, nullable=False, doc="what they share, sealed with the keys of both"),
    Column("recommended_at", Moment, nullable=False),
    Column("outcome", Text, doc="what a lead made of it"),
    Column("decided_by", Text),
    Column("decided_at", Moment),
    Column("why", Text, doc="sealed"),
    CheckConstraint("outcome IN ('look', 'nothing')", name="outcome"),
    Index(None, "penalty_id", "pseudonym", "kind", unique=True),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

measure_stakes = Table(
    "measure_stakes",
    metadata,
    Column("measure_id", Identity, ForeignKey("measures.measure_id"), primary_key=True, autoincrement=False),
    Column("size_band", Text, nullable=False, doc="of the seller, by listings"),
    Column("age_band", Text, nullable=False, doc="of the seller"),
    Column("loss_a_day", Real, doc="usual sales a day x price, to two digits; empty where not known"),
    Column("harm", Real, doc="that it prevents if it is right, likewise"),
    Column("currency", Text, doc="of the sums"),
    Column(
        "is_assumed", Flag, nullable=False, doc="whether price or sales are what is usual and not the listing's own"
    ),
    Column("kept_at", Moment, nullable=False),
    sqlite_strict=True,
)
