"""Sellers as pseudonyms with a key each, and the evidence that is sealed with it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text

from ipml.storage.tables.kinds import Identity, Moment, metadata

seller_keys = Table(
    "seller_keys",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("pseudonym", Text, nullable=False, unique=True, doc="what everything else calls the seller"),
    Column("key", Text, nullable=False, doc="hexadecimal; without it nothing sealed of the seller can be read"),
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
    Column("digest", Text, nullable=False, doc="SHA-256 of the canonical JSON that is sealed"),
    Column("sealed", Text, nullable=False),
    Column("kept_at", Moment, nullable=False),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
