"""Further looks at cases, and what those who looked said."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text

from ipml.storage.tables.kinds import Identity, Moment, Real, metadata

looks = Table(
    "looks",
    metadata,
    Column("look_id", Identity, primary_key=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("decision_id", Identity, ForeignKey("decisions.decision_id"), doc="the decision it looks at again"),
    Column("wanted_at", Moment, nullable=False, doc="not before this moment"),
    Column("wanted_of", Text, doc="the one who is to look; anybody else but `not_by` where empty"),
    Column("not_by", Text),
    Column("odds", Real, doc="with which the decision was drawn"),
    Column("holder", Text, doc="who took it last"),
    Column("token", Identity, nullable=False, default=0, doc="of the case, as it was when this was taken"),
    Column("lease_expires_at", Moment),
    Column("ended_at", Moment, doc="when the opinion came, or was no longer wanted"),
    CheckConstraint("kind IN ('golden', 'repeat', 'audit', 'second')", name="kind"),
    CheckConstraint("odds BETWEEN 0 AND 1", name="odds"),
    Index(None, "ended_at", "kind", "wanted_at"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

opinions = Table(
    "opinions",
    metadata,
    Column("opinion_id", Identity, primary_key=True),
    Column("look_id", Identity, ForeignKey("looks.look_id"), unique=True, doc="empty for the first of two verdicts"),
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
    CheckConstraint("kind IN ('golden', 'repeat', 'audit', 'first', 'second')", name="kind"),
    CheckConstraint("verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')", name="verdict"),
    Index(None, "reviewer", "kind", "decided_at"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

goldens = Table(
    "goldens",
    metadata,
    Column("golden_id", Identity, primary_key=True),
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
