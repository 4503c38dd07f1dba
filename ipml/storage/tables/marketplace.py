"""Tables of what the marketplace submits: its listings as they are now, and what happened to their sellers."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Table, Text

from ipml.storage.tables.columns import Identity, Moment, Real, metadata

listings = Table(
    "listings",
    metadata,
    Column("listing_id", Text, primary_key=True),
    Column("seller_id", Text, nullable=False, index=True),
    Column("sent", Text, nullable=False, doc="digest of the fields as they were sent"),
    Column("seen_at", Moment, nullable=False, doc="when it was observed; when it came where nothing is said"),
    Column("received_at", Moment, nullable=False, index=True),
    Column("score", Real, doc="0-1; empty where the model abstained"),
    Column("model_version", Text, nullable=False),
    Column("snapshot", Text, nullable=False, doc="the scored listing as JSON, without reasons"),
    Column("withdrawn_at", Moment, doc="when it was last said to be gone; gone since where not seen later"),
    Column("own_history", Text, nullable=False, doc="fields of its seller's history that the listing says itself"),
    Column("history_as_of", Moment, nullable=False, doc="the history it was scored with is that of this moment"),
    Column("last_event", Identity, nullable=False, doc="of all events when it was scored; 0 where there were none"),
    Column("content", Text, nullable=False, doc="digest of what is offered, all but the price"),
    Column("sample_id", Identity, nullable=False, doc="the sample in which it was counted last"),
    Column("news_at", Moment, doc="when something of its pictures became known that its score does not know yet"),
    CheckConstraint("score BETWEEN 0 AND 1", name="score"),
    sqlite_strict=True,
)

seller_events = Table(
    "seller_events",
    metadata,
    Column("event_number", Identity, primary_key=True, doc="in the order in which events were stored"),
    Column("event_id", Text, nullable=False, unique=True, doc="the marketplace's, so that an event counts once"),
    Column("seller_id", Text, nullable=False),
    Column("listing_id", Text),
    Column("kind", Text, nullable=False),
    Column("occurred_at", Moment, nullable=False),
    Column("known_at", Moment, nullable=False),
    Column("millionths", Identity, nullable=False, doc="of a unit, or of the best rating"),
    Column("counts_from", Moment, nullable=False, doc="the later of when it happened and when it was known"),
    Column("received_at", Moment, nullable=False, index=True),
    CheckConstraint(
        "kind IN ('joined', 'listed', 'sold', 'returned', 'complained', 'rated', 'struck')",
        name="kind",
    ),
    Index(None, "seller_id", "counts_from"),
    sqlite_autoincrement=True,
    sqlite_strict=True,
)
