"""Every table, in one place.

Moments are whole microseconds since 1970 in UTC, so they compare exactly and alike on every database; Python
sees aware datetimes. Tables are STRICT on SQLite: a text never ends up in a column of numbers. Whoever
changes a table adds a migration and sets `REVISION` to it; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)
from sqlalchemy.types import TypeEngine

REVISION = "0009"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Return an aware moment as whole microseconds since 1970 in UTC.

    Examples
    --------
    >>> to_microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (moment - _EPOCH) // _MICROSECOND


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as whole microseconds since 1970 in UTC."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use the one kind of integer that a STRICT table of SQLite knows."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Turn a moment into microseconds; a naive one is a mistake of the caller (TypeError)."""
        return None if value is None else to_microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn microseconds into a moment."""
        return None if value is None else _EPOCH + value * _MICROSECOND


class Flag(TypeDecorator[bool]):
    """True or false, which a STRICT table of SQLite keeps as 1 or 0."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Use an integer where the database has no truth values."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else Boolean())

    def process_result_value(self, value: int | bool | None, dialect: Dialect) -> bool | None:  # noqa: ARG002
        """Give back a truth value."""
        return None if value is None else bool(value)


# STRICT tables of SQLite know only INTEGER, REAL, TEXT and BLOB.
Real: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
Identity = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_HELD = text("holder IS NOT NULL")

cases = Table(
    "cases",
    metadata,
    Column("case_id", Identity, primary_key=True),
    Column("listing_key", Text, nullable=False, unique=True, doc="the listing as observed once"),
    Column("listing_id", Text, nullable=False),
    Column("observed_at", Moment),
    Column("seller_id", Text, nullable=False),
    Column("brand", Text),
    Column("score", Real, doc="0-1; empty where the model abstained"),
    Column("rank", Real, nullable=False, doc="what the queue is sorted by, smallest first"),
    Column("model_version", Text, nullable=False),
    Column("snapshot", Text, nullable=False, doc="the scored listing as JSON"),
    Column("state", Text, nullable=False),
    Column("enqueued_at", Moment, nullable=False),
    Column("holder", Text, doc="who claimed it last, until decided or released"),
    Column("token", Identity, nullable=False, default=0, doc="counts the claims"),
    Column("lease_expires_at", Moment),
    Column("odds", Real, doc="with which it was shown; empty where it did not come through a sift"),
    Column("lane", Text, nullable=False, server_default="ranked", doc="'ranked' or 'explored'"),
    Column("lot", Real, doc="0-1, drawn: the order in which explored cases are taken"),
    CheckConstraint("state IN ('open', 'decided', 'escalated')", name="state"),
    CheckConstraint("score BETWEEN 0 AND 1", name="score"),
    Index(None, "state", "rank", "case_id"),
    Index(None, "seller_id", "rank", "case_id"),
    Index(None, "lease_expires_at", sqlite_where=_HELD, postgresql_where=_HELD),
    Index(None, "state", "lane", "lot"),
    Index(None, "holder"),
    sqlite_strict=True,
    sqlite_autoincrement=True,  # the audit names cases by number, so a number is never given twice
)

decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Identity, primary_key=True),
    Column("case_id", Identity, ForeignKey("cases.case_id"), nullable=False, index=True),
    Column("listing_id", Text, nullable=False, index=True),
    Column("verdict", Text, nullable=False),
    Column("ground", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("token", Identity, nullable=False, doc="of the claim it was made under"),
    Column("key", Text, unique=True, doc="the caller's, so that a repeated request decides once"),
    Column("odds", Real, doc="with which the case had been shown"),
    Column("lane", Text, nullable=False, server_default="ranked", doc="in which the case was taken"),
    CheckConstraint("verdict IN ('counterfeit', 'genuine', 'cannot tell', 'escalate')", name="verdict"),
    Index(None, "decided_at", "reviewer"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

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

users = Table(
    "users",
    metadata,
    Column("user_id", Identity, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("is_active", Flag, nullable=False, default=True),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("role IN ('viewer', 'reviewer', 'lead', 'admin')", name="role"),
    sqlite_strict=True,
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("user_id", Identity, ForeignKey("users.user_id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    sqlite_strict=True,
)

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
