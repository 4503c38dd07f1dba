"""On what precision listings are acted on without review: promises, the cases drawn for people, what was done."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text

from ipml.storage.tables.kinds import Identity, Moment, Real, metadata

promises = Table(
    "promises",
    metadata,
    Column("promise_id", Identity, primary_key=True, doc="the highest of a brand tells how it stands"),
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
    Column("odds", Real, nullable=False, doc="with which it was drawn"),
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
