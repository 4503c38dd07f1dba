"""Sellers who were forgotten, and what a court or a claim needs kept."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text

from ipml.storage.tables.kinds import Identity, Moment, metadata

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
    Column("sealed", Text, nullable=False, doc="why, sealed with the seller's key"),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", Moment, nullable=False),
    Column("until", Moment, nullable=False, doc="when it ends by itself"),
    Column("released_by", Text),
    Column("released_at", Moment),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)
