"""Statements of reasons: the facts, which name nobody, and the letter, which is sealed."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text

from ipml.storage.tables.kinds import Identity, Moment, metadata

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
    Column("letter", Text, nullable=False, doc="sealed: the letter, and title and number of the listing"),
    Column("policy_digest", Text, ForeignKey("enforcement_policies.digest"), nullable=False),
    Column("issued_at", Moment, nullable=False),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
