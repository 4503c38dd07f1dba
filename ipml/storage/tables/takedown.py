"""What is done to listings, by which policy, and what must reach others."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, false, text, true

from ipml.storage.tables.kinds import Flag, Identity, Moment, metadata

# What a query looks for among very many: asked and not done, lifted and not back, about to end.
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
    Column("why_lifted", Text, doc="sealed"),
    Column("undone_at", Moment, doc="when the platform said that the listing is back"),
    Column("is_automatic", Flag, nullable=False, server_default=false(), doc="imposed by a policy without a person"),
    Column("why", Text, doc="why this and no other, sealed"),
    Column("replaced_by", Identity, doc="the measure that took its place"),
    Column("refused_at", Moment, doc="when the platform last refused, or could not be reached"),
    Column("why_refused", Text, doc="in the platform's words, sealed"),
    Column("source", Text, nullable=False, server_default="own", doc="who pointed to the listing: own, notice, …"),
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
    Column("subject", Text, nullable=False, doc="such as measure:12; messages of one subject go in order"),
    Column("pseudonym", Text, index=True, doc="whose key seals the body; empty: it tells of no seller"),
    Column("body", Text, nullable=False, doc="JSON, sealed where there is a pseudonym"),
    Column("put_at", Moment, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("attempts", Identity, nullable=False, server_default="0"),
    Column("next_try_at", Moment, nullable=False),
    Column("holder", Text, doc="the sender that has it in hand"),
    Column("lease_expires_at", Moment),
    Column("last_error", Text, doc="why the last attempt failed; sealed where there is a pseudonym"),
    Column("settled_at", Moment, doc="when it was delivered, or given up"),
    Column("dropped_by", Text, doc="who said of a dead one that it need not be delivered any more"),
    Column("dropped_at", Moment),
    Column("why_dropped", Text, doc="sealed where there is a pseudonym"),
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
    Column(
        "effect", Text, nullable=False, doc="what is true of the measure once the platform says of the message: done"
    ),
    CheckConstraint("effect IN ('imposed', 'lifted')", name="effect"),
    sqlite_strict=True,
)

platform_answers = Table(
    "platform_answers",
    metadata,
    Column("answer_id", Identity, primary_key=True),
    Column("key", Text, nullable=False, index=True, doc="of the message it answers"),
    Column("status", Text, nullable=False),
    Column("said_at", Moment, nullable=False, doc="by the platform's clock, but never later than received"),
    Column("received_at", Moment, nullable=False),
    Column("told_by", Text, nullable=False, doc="who told us: a user, the API, or the answer to a delivery"),
    Column("why", Text, doc="in the platform's words; sealed where the message is"),
    CheckConstraint("status IN ('accepted', 'done', 'refused', 'failed')", name="status"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
