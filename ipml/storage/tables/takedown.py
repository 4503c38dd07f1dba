"""What is done to listings, by which policy, and what must reach others."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text

from ipml.storage.tables.kinds import Identity, Moment, metadata

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
    Column("why_lifted", Text),
    Column("undone_at", Moment, doc="when the platform said that the listing is back"),
    CheckConstraint("kind IN ('label', 'demote', 'pause', 'price-hold', 'remove', 'remove-in')", name="kind"),
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
    Column("last_error", Text),
    Column("settled_at", Moment, doc="when it was delivered, or given up"),
    CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name="state"),
    Index(None, "state", "next_try_at", "message_id"),
    Index(None, "subject", "message_id"),
    Index(None, "kind", "settled_at"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
