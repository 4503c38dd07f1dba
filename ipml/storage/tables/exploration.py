"""Which listings were drawn at random, and with what odds."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table, Text

from ipml.storage.tables.kinds import Identity, Moment, Real, metadata

seeds = Table(
    "seeds",
    metadata,
    Column("seed_id", Identity, primary_key=True),
    Column("seed", Text, nullable=False, doc="hexadecimal; who knows it can tell which listings are drawn"),
    Column("drawn_at", Moment, nullable=False),
    sqlite_strict=True,
)

sifts = Table(
    "sifts",
    metadata,
    Column("sift_id", Identity, primary_key=True),
    Column("digest", Text, nullable=False, unique=True, doc="of the file and of how it was sifted"),
    Column("file_digest", Text, nullable=False, index=True, doc="of keys and scores, so that a file counts once"),
    Column("sifted_at", Moment, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("seed_id", Identity, ForeignKey("seeds.seed_id"), nullable=False),
    Column("rule", Text, nullable=False, doc="JSON: by what rule listings were enqueued"),
    Column("listings", Identity, nullable=False, doc="how many came by"),
    Column("sure", Identity, nullable=False, doc="how many were enqueued for their score"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

sift_strata = Table(
    "sift_strata",
    metadata,
    Column("sift_id", Identity, ForeignKey("sifts.sift_id"), primary_key=True),
    Column("stratum", Identity, primary_key=True, autoincrement=False),
    Column("first", Identity, nullable=False, doc="place of its most suspicious listing in the file, from 1"),
    Column("last", Identity, nullable=False),
    Column("listings", Identity, nullable=False),
    Column("shown", Identity, nullable=False, doc="how many of them became cases"),
    Column("odds", Real, nullable=False, doc="with which each of them became a case"),
    Column("mean_score", Real, nullable=False),
    Column("highest_score", Real, doc="empty where the model abstained"),
    Column("lowest_score", Real),
    sqlite_strict=True,
)

sift_cases = Table(
    "sift_cases",
    metadata,
    Column("sift_id", Identity, ForeignKey("sifts.sift_id"), primary_key=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, index=True, autoincrement=False),
    Column("stratum", Identity, nullable=False),
    Column("lot", Real, doc="empty where the case was enqueued for its score"),
    sqlite_strict=True,
)
