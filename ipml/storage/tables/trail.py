"""The audit trail."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text

from ipml.storage.tables.kinds import Identity, Moment, metadata

audit = Table(
    "audit",
    metadata,
    Column("sequence", Identity, primary_key=True, autoincrement=False, doc="1, 2, 3, … without gaps"),
    Column("at", Moment, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False, index=True),
    Column("payload", Text, nullable=False, doc="JSON of ids, numbers and hashes; no listing text"),
    Column("previous", Text, nullable=False, doc="hash of the row before"),
    Column("hash", Text, nullable=False),
    sqlite_strict=True,
)
