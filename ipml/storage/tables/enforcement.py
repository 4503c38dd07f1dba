"""Enforcement tables: evidence, measures, statements, penalties, appeals and erasures.

Sellers are pseudonyms with a key of their own, which encrypts evidence and letters; the facts of a statement name
nobody. Numbers are stored to two digits: enough for proportion, too few to identify a seller.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, UniqueConstraint, false, text, true

from ipml.storage.tables.columns import Flag, Identity, Moment, Real, metadata

seller_keys = Table(
    "seller_keys",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("pseudonym", Text, nullable=False, unique=True, doc="what everything else calls the seller"),
    Column("key", Text, nullable=False, doc="hexadecimal; without it nothing encrypted of the seller can be read"),
    Column("created_at", Moment, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

evidence = Table(
    "evidence",
    metadata,
    Column("evidence_id", Identity, primary_key=True),
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), nullable=False, unique=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("pseudonym", Text, nullable=False, index=True),
    Column("digest", Text, nullable=False, doc="SHA-256 of the canonical JSON that is encrypted"),
    Column("encrypted", Text, nullable=False),
    Column("stored_at", Moment, nullable=False),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)


# Conditions of queries for a few among very many measures: asked and not done, lifted and not back, about to end.
_IS_ASKED = text("done_at IS NULL AND lifted_at IS NULL")
_IS_LIFTED = text("lifted_at IS NOT NULL AND undone_at IS NULL")
_IS_ENDING = text("until IS NOT NULL AND lifted_at IS NULL")

enforcement_policies = Table(
    "enforcement_policies",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("policy", Text, nullable=False, doc="as JSON"),
    Column("first_used_at", Moment, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

measures = Table(
    "measures",
    metadata,
    Column("measure_id", Identity, primary_key=True),
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), nullable=False, index=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("pseudonym", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("territories", Text, nullable=False, doc="countries, as ISO 3166 codes between commas; empty: everywhere"),
    Column("until", Moment, doc="when it ends by itself"),
    Column("policy_digest", Text, ForeignKey("enforcement_policies.digest"), nullable=False),
    Column("imposed_by", Text, nullable=False),
    Column("imposed_at", Moment, nullable=False),
    Column("listed_at", Moment, doc="when the listing appeared, as far as known"),
    Column("sales_before", Identity, doc="of the listing when it was decided on, as far as known"),
    Column("done_at", Moment, doc="when the platform said that it is done"),
    Column("lifted_by", Text),
    Column("lifted_at", Moment),
    Column("why_lifted", Text, doc="encrypted"),
    Column("undone_at", Moment, doc="when the platform said that the listing is back"),
    Column("is_automatic", Flag, nullable=False, server_default=false(), doc="imposed by a policy without a person"),
    Column("why", Text, doc="why this and no other, encrypted"),
    Column("replaced_by", Identity, doc="the measure that took its place"),
    Column("refused_at", Moment, doc="when the platform last refused, or could not be reached"),
    Column("why_refused", Text, doc="in the platform's words, encrypted"),
    Column("source", Text, nullable=False, server_default="own", doc="reporter of the listing: own, notice, …"),
    Column("is_detected", Flag, nullable=False, server_default=true(), doc="a model found it before anybody said so"),
    CheckConstraint("kind IN ('label', 'demote', 'pause', 'price-hold', 'remove', 'remove-in')", name="kind"),
    Index("ix_measures_asked", "imposed_at", sqlite_where=_IS_ASKED, postgresql_where=_IS_ASKED),
    Index("ix_measures_lifted", "lifted_at", sqlite_where=_IS_LIFTED, postgresql_where=_IS_LIFTED),
    Index("ix_measures_ending", "until", sqlite_where=_IS_ENDING, postgresql_where=_IS_ENDING),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

outbox = Table(
    "outbox",
    metadata,
    Column("message_id", Identity, primary_key=True),
    Column("key", Text, nullable=False, unique=True, doc="the receiver's idempotency key"),
    Column("channel", Text, nullable=False, doc="to whom: platform, seller, transparency, holder"),
    Column("kind", Text, nullable=False, doc="what it is: measure, reinstatement, statement, …"),
    Column("version", Identity, nullable=False, server_default="1", doc="of the shape in which it was written"),
    Column("subject", Text, nullable=False, doc="such as measure:12; messages of one subject go in order"),
    Column("pseudonym", Text, index=True, doc="seller whose key encrypts the body; empty: no seller data"),
    Column("body", Text, nullable=False, doc="JSON, encrypted where there is a pseudonym"),
    Column("put_at", Moment, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Identity, nullable=False, server_default="0"),
    Column("next_try_at", Moment, nullable=False),
    Column("holder", Text, doc="the sender that works at it"),
    Column("lease_expires_at", Moment),
    Column("last_error", Text, doc="why the last attempt failed; encrypted where there is a pseudonym"),
    Column("settled_at", Moment, doc="when it was delivered, or given up"),
    Column("dropped_by", Text, doc="person who dropped a dead message"),
    Column("dropped_at", Moment),
    Column("why_dropped", Text, doc="encrypted where there is a pseudonym"),
    CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="state"),
    Index(None, "state", "next_try_at", "message_id"),
    Index(None, "subject", "message_id"),
    Index(None, "kind", "settled_at"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

measure_messages = Table(
    "measure_messages",
    metadata,
    Column("key", Text, primary_key=True, doc="of the message in the outbox"),
    Column(
        "measure_id", Identity, ForeignKey("measures.measure_id"), primary_key=True, autoincrement=False, index=True
    ),
    Column("effect", Text, nullable=False, doc="state of the measure once the platform has confirmed the message"),
    CheckConstraint("effect IN ('imposed', 'lifted')", name="effect"),
    sqlite_strict=True,
)

platform_answers = Table(
    "platform_answers",
    metadata,
    Column("answer_id", Identity, primary_key=True),
    Column("key", Text, nullable=False, index=True, doc="of the message it answers"),
    Column("status", Text, nullable=False),
    Column("said_at", Moment, nullable=False, doc="by the platform's deadline, but never later than received"),
    Column("received_at", Moment, nullable=False),
    Column("told_by", Text, nullable=False, doc="source: a user, the API, or the answer to a delivery"),
    Column("why", Text, doc="in the platform's words; encrypted where the message is"),
    CheckConstraint("status IN ('accepted', 'done', 'refused', 'failed')", name="status"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)


statements = Table(
    "statements",
    metadata,
    Column("statement_id", Identity, primary_key=True),
    Column("subject", Text, nullable=False, unique=True, doc="what it is about, such as measure:12"),
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), nullable=False, index=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("pseudonym", Text, nullable=False, index=True),
    Column("puid", Text, nullable=False, unique=True, doc="its name in the transparency database"),
    Column("facts", Text, nullable=False, doc="what letter and payload are written from, as JSON"),
    Column("payload", Text, doc="as the transparency database takes it; empty where it does not go there"),
    Column("letter", Text, nullable=False, doc="encrypted: the letter, and title and number of the listing"),
    Column("policy_digest", Text, ForeignKey("enforcement_policies.digest"), nullable=False),
    Column("issued_at", Moment, nullable=False),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)


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
    Column("value", Real, doc="price x units sold until the next review; empty where not known"),
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
    Column("why", Text, nullable=False, doc="encrypted; empty where the seller was erased"),
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
    Column("why", Text, nullable=False, doc="sentences as JSON, encrypted"),
    Column("proposed_at", Moment, nullable=False),
    Column("imposed_by", Text, doc="empty while a person must confirm it"),
    Column("imposed_at", Moment),
    Column("until", Moment, doc="when it ends by itself"),
    Column("ended_as", Text),
    Column("ended_by", Text),
    Column("ended_at", Moment),
    Column("why_ended", Text, doc="encrypted; empty where the seller was erased"),
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
    Column("evidence", Text, nullable=False, doc="what they share, encrypted with the keys of both"),
    Column("recommended_at", Moment, nullable=False),
    Column("outcome", Text, doc="what a lead made of it"),
    Column("decided_by", Text),
    Column("decided_at", Moment),
    Column("why", Text, doc="encrypted"),
    CheckConstraint("outcome IN ('review', 'nothing')", name="outcome"),
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
    Column("stored_at", Moment, nullable=False),
    sqlite_strict=True,
)


PENDING_APPEALS = ("open", "with holder", "holder acted")
"""States of an appeal that waits for a decision or a deadline."""

appeals = Table(
    "appeals",
    metadata,
    Column("appeal_id", Identity, primary_key=True),
    Column("subject", Text, nullable=False, doc="against what: measure:12, penalty:3, or case:7"),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), nullable=False, index=True),
    Column("pseudonym", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("profile", Text, nullable=False, doc="by whose rules"),
    Column("state", Text, nullable=False),
    Column("text", Text, nullable=False, doc="what the seller says, encrypted"),
    Column("key", Text, doc="SHA-256 of the seller's, so that a repeated request files once"),
    Column("filed_at", Moment, nullable=False),
    Column("reference", Text, doc="of what the rights holder filed, encrypted"),
    Column("holder", Text, doc="who has opened it"),
    Column("lease_expires_at", Moment),
    UniqueConstraint("pseudonym", "key"),
    CheckConstraint("kind IN ('complaint', 'counter-notice')", name="kind"),
    Index(None, "state", "appeal_id"),
    Index(None, "subject"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

appeal_outcomes = Table(
    "appeal_outcomes",
    metadata,
    Column("appeal_id", Identity, ForeignKey("appeals.appeal_id"), primary_key=True, autoincrement=False),
    Column("outcome", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("why", Text, nullable=False, doc="encrypted with the seller's key"),
    Column("measure_kind", Text, doc="the milder measure, where it was granted in part"),
    sqlite_strict=True,
)

deadlines = Table(
    "deadlines",
    metadata,
    Column("deadline_id", Identity, primary_key=True),
    Column("subject", Text, nullable=False, doc="what it runs for: measure:12, appeal:3"),
    Column("stage", Text, nullable=False, doc="of the profile"),
    Column("profile", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Moment, doc="from which event it counts; empty until that has happened"),
    Column("due_at", Moment, doc="first moment after the term"),
    Column("latest_at", Moment, doc="by when what follows must be done"),
    Column("is_provisional", Flag, nullable=False, doc="not all holidays of that time were known"),
    Column("marked_at", Moment, doc="the reading that found it past its term, until confirmed"),
    Column("paused_at", Moment),
    Column("longer_by", Identity, nullable=False, default=0, doc="days by which it was paused in all"),
    Column("is_extended", Flag, nullable=False, default=False),
    UniqueConstraint("subject", "stage"),
    Index(None, "state", "due_at"),
    Index(None, "stage", "since"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

deadline_events = Table(
    "deadline_events",
    metadata,
    Column("sequence", Identity, primary_key=True, doc="the order that counts, whatever the moments say"),
    Column("deadline_id", Identity, ForeignKey("deadlines.deadline_id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("at", Moment, nullable=False, doc="what the clock of the machine read"),
    Column("by", Text, nullable=False),
    Column("payload", Text, nullable=False, doc="JSON of numbers"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)


promises = Table(
    "promises",
    metadata,
    Column("promise_id", Identity, primary_key=True, doc="the highest of a brand is its present state"),
    Column("at", Moment, nullable=False),
    Column("brand", Text, nullable=False, doc="* for all of them, where a person withdraws or allows"),
    Column("event", Text, nullable=False),
    Column("cause", Text, nullable=False, doc="data, alarm, reversals, model or person"),
    Column("actor", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("policy_digest", Text, ForeignKey("enforcement_policies.digest"), nullable=False),
    Column("model_version", Text),
    Column("threshold", Real),
    Column("promised", Real, doc="the precision that the policy promises"),
    Column("bound", Real, doc="the precision that is at least there, with the policy's confidence"),
    Column("reviews", Identity, doc="drawn cases that count"),
    Column("errors", Identity, doc="those of them that people did not find counterfeit"),
    Column("since", Moment, doc="from when on drawn cases count"),
    CheckConstraint("event IN ('given', 'held', 'withdrawn', 'allowed')", name="event"),
    CheckConstraint("cause IN ('data', 'alarm', 'reversals', 'model', 'person')", name="cause"),
    Index(None, "brand", "promise_id"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

automatic_draws = Table(
    "automatic_draws",
    metadata,
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False),
    Column("brand", Text, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("score", Real, nullable=False, doc="as it was when drawn"),
    Column("sampling_probability", Real, nullable=False, doc="with which it was drawn"),
    Column("drawn_at", Moment, nullable=False),
    Index(None, "drawn_at", "case_id"),
    sqlite_strict=True,
)

automatic_decisions = Table(
    "automatic_decisions",
    metadata,
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), primary_key=True, autoincrement=False),
    Column("promise_id", Identity, ForeignKey("promises.promise_id"), nullable=False, index=True),
    Column("brand", Text, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Index(None, "brand", "decided_at"),
    sqlite_strict=True,
)


erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", Identity, primary_key=True),
    Column("pseudonym", Text, nullable=False, index=True, doc="what everything else still calls them"),
    Column("erased_by", Text, nullable=False),
    Column("erased_at", Moment, nullable=False),
    Column("why", Text, nullable=False, doc="such as the number of the request; never a name"),
    Column("cases", Identity, nullable=False, doc="whose listing was erased"),
    Column("swept_at", Moment, doc="when the last remains were gone from the files of the database"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

legal_holds = Table(
    "legal_holds",
    metadata,
    Column("hold_id", Identity, primary_key=True),
    Column("pseudonym", Text, nullable=False, index=True, doc="whose records are held"),
    Column("case_id", Identity, ForeignKey("cases.case_id"), doc="empty: everything of the seller"),
    Column("encrypted", Text, nullable=False, doc="why, encrypted with the seller's key"),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", Moment, nullable=False),
    Column("until", Moment, nullable=False, doc="when it ends by itself"),
    Column("released_by", Text),
    Column("released_at", Moment),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
