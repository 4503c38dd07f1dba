"""Appeals of sellers, what became of them, and the clocks they run by."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, UniqueConstraint

from ipml.storage.tables.kinds import Flag, Identity, Moment, metadata

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
    Column("text", Text, nullable=False, doc="what the seller says, sealed"),
    Column("key", Text, doc="SHA-256 of the seller's, so that a repeated request files once"),
    Column("filed_at", Moment, nullable=False),
    Column("reference", Text, doc="of what the rights holder filed, sealed"),
    Column("holder", Text, doc="who has it in hand"),
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
    Column("why", Text, nullable=False, doc="sealed: it tells of the seller"),
    Column("measure_kind", Text, doc="the milder measure, where it was granted in part"),
    sqlite_strict=True,
)

clocks = Table(
    "clocks",
    metadata,
    Column("clock_id", Identity, primary_key=True),
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

clock_events = Table(
    "clock_events",
    metadata,
    Column("sequence", Identity, primary_key=True, doc="the order that counts, whatever the moments say"),
    Column("clock_id", Identity, ForeignKey("clocks.clock_id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("at", Moment, nullable=False, doc="what the clock of the machine read"),
    Column("by", Text, nullable=False),
    Column("payload", Text, nullable=False, doc="JSON of numbers"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
