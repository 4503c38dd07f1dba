"""Who works with the queue, and how they log in."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text

from ipml.storage.tables.kinds import Flag, Identity, Moment, metadata

users = Table(
    "users",
    metadata,
    Column("user_id", Identity, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False, doc="empty: nobody logs in as them by a password"),
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
    Column("expires_at", Moment, nullable=False, doc="however busy it is"),
    Column("seen_at", Moment, nullable=False, doc="last request, give or take a minute"),
    sqlite_strict=True,
)

tries = Table(
    "tries",
    metadata,
    Column("try_id", Identity, primary_key=True),
    Column("address", Text, nullable=False, doc="from where: an IPv4 address, or an IPv6 network of 64 bits"),
    Column("name_hash", Text, nullable=False, doc="people type passwords into the field of names"),
    Column("at", Moment, nullable=False, index=True),
    Index(None, "address", "at"),
    sqlite_strict=True,
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True, doc="the provider that knows the person"),
    Column("subject", Text, primary_key=True, doc="its name for them, which it gives nobody else"),
    Column("user_id", Identity, ForeignKey("users.user_id"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    sqlite_strict=True,
)

user_sellers = Table(
    "user_sellers",
    metadata,
    Column("user_name", Text, primary_key=True),
    Column("seller_id", Text, primary_key=True),
    Column("since", Moment, nullable=False),
    sqlite_strict=True,
)
