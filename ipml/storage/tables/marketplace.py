"""Marketplace tables: listings as submitted, their pictures, and facts about their sellers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, UniqueConstraint, text

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
    Column(
        "record_changes",
        Identity,
        nullable=False,
        server_default="0",
        doc="how often its seller's record of complaints and strikes had changed by the moment of the history",
    ),
    Column("url_digest", Text, index=True, doc="digest of its address, normalised; empty where it has none"),
    CheckConstraint("score BETWEEN 0 AND 1", name="score"),
    sqlite_strict=True,
)


def _file_columns() -> tuple[Column[Any], ...]:
    """Return the columns of a fetched picture's file."""
    return (
        Column("found_at", Text, doc="the address that sent it, after redirects"),
        Column("kind", Text, doc="format of the file"),
        Column("width", Identity, doc="pixels"),
        Column("height", Identity, doc="pixels"),
        Column("n_bytes", Identity),
        Column("fetched_at", Moment),
    )


_UNGROUPED = text("state = 'stored' AND group_id IS NULL")

pictures = Table(
    "pictures",
    metadata,
    Column("case_id", Identity, ForeignKey("cases.case_id"), primary_key=True, autoincrement=False),
    Column("position", Identity, primary_key=True, autoincrement=False, doc="from 0, as the listing names them"),
    Column("address", Text, nullable=False, doc="where the listing says that it is"),
    Column("state", Text, nullable=False),
    Column("tries", Identity, nullable=False),
    Column("due_at", Moment, nullable=False, doc="when it is fetched, or fetched again"),
    Column("digest", Text, index=True, doc="SHA-256 of the file, after which it is called in the folder of pictures"),
    *_file_columns(),
    Column("why", Text, doc="why it could not be had, or has not been so far"),
    Column("group_id", Identity, doc="of pictures that look the same; 0: it says too little; empty: not known yet"),
    CheckConstraint("state IN ('waiting', 'stored', 'failed', 'left')", name="state"),
    Index(None, "state", "due_at"),
    Index(None, "group_id", "case_id"),
    Index("ix_pictures_ungrouped", "digest", sqlite_where=_UNGROUPED, postgresql_where=_UNGROUPED),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

_OUTDATED = text("colours IS NULL")

picture_groups = Table(
    "picture_groups",
    metadata,
    Column("group_id", Identity, primary_key=True),
    Column("hash", Text, nullable=False, doc="perceptual hash of the middle of its first picture, in hexadecimal"),
    Column("made_at", Moment, nullable=False),
    Column("colours", Text, doc="of that middle; none: the hash is of the whole picture, of an earlier release"),
    Index("ix_picture_groups_outdated", "group_id", sqlite_where=_OUTDATED, postgresql_where=_OUTDATED),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

screened_pictures = Table(
    "screened_pictures",
    metadata,
    Column("picture_id", Identity, primary_key=True),
    Column("listing_id", Text, nullable=False, index=True),
    Column("seller_id", Text, nullable=False, index=True),
    Column("address", Text, nullable=False, doc="where the listing says that it is"),
    Column("received_at", Moment, nullable=False, index=True, doc="when its listing was submitted last"),
    Column("noted_at", Moment, nullable=False, doc="since when it is to be fetched"),
    Column("harm", Real, nullable=False, doc="harm by the policy of a counterfeit with it, in the policy's currency"),
    Column("state", Text, nullable=False),
    Column("tries", Identity, nullable=False),
    Column("due_at", Moment, nullable=False, doc="when it is fetched, or fetched again"),
    Column("group_id", Identity, index=True, doc="of pictures that look the same; 0: it says too little"),
    Column("matched_at", Moment, doc="when it was found to look like a known counterfeit"),
    Column("digest", Text, index=True, doc="SHA-256 of the file, which is stored where it matched"),
    *_file_columns(),
    Column("why", Text, doc="why it could not be had, or has not been so far"),
    CheckConstraint("state IN ('waiting', 'hashed', 'failed', 'left')", name="state"),
    Index(None, "state", "harm"),
    sqlite_strict=True,
    sqlite_autoincrement=True,
)

screening_days = Table(
    "screening_days",
    metadata,
    Column("day", Text, primary_key=True, doc="in UTC: 2026-05-01"),
    Column("requests", Identity, nullable=False, doc="made or begun, redirects included"),
    Column("n_bytes", Identity, nullable=False, doc="received, or set aside for a request that was begun"),
    Column("left_out", Identity, nullable=False, doc="pictures given up that day as the budget had left them waiting"),
    sqlite_strict=True,
)

_KEPT_UNGROUPED = text("removed_at IS NULL AND group_id IS NULL")

reference_pictures = Table(
    "reference_pictures",
    metadata,
    Column("reference_id", Identity, primary_key=True),
    Column("digest", Text, nullable=False, index=True, doc="SHA-256 of the file"),
    Column("kind", Text, nullable=False, doc="what the goods are known to be"),
    Column("brand", Text, nullable=False),
    Column("source", Text, nullable=False, doc="from whom it is"),
    Column("added_by", Text, nullable=False),
    Column("added_at", Moment, nullable=False),
    Column("removed_by", Text),
    Column("removed_at", Moment),
    Column("group_id", Identity, index=True, doc="as that of the pictures of cases"),
    CheckConstraint("kind IN ('counterfeit', 'genuine')", name="kind"),
    Index("ix_reference_pictures_ungrouped", "digest", sqlite_where=_KEPT_UNGROUPED, postgresql_where=_KEPT_UNGROUPED),
    sqlite_strict=True,
    sqlite_autoincrement=True,
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

seller_languages = Table(
    "seller_languages",
    metadata,
    Column("seller_id", Text, primary_key=True),
    Column("language", Text, nullable=False, doc="in which they are written to, as a listing of theirs said last: de"),
    Column("known_at", Moment, nullable=False, index=True, doc="when that listing was observed"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

portfolio_listings = Table(
    "portfolio_listings",
    metadata,
    Column("entry_number", Identity, primary_key=True),
    Column("model_version", Text, nullable=False, doc="of the model that weighed the listing"),
    Column("listing_id", Text, nullable=False),
    Column("seller_id", Text, nullable=False, doc="who offered it when it first came"),
    Column("moment", Moment, nullable=False, doc="when it was listed; first observed, or came, where that is unknown"),
    Column("suspicion", Identity, doc="thousandths; empty where it does not count, as training may have known it"),
    Column("received_at", Moment, nullable=False, index=True, doc="when it first came, or was weighed by this model"),
    UniqueConstraint("listing_id", "model_version"),
    Index(None, "seller_id", "model_version", "moment", "suspicion"),
    CheckConstraint("suspicion BETWEEN 0 AND 1000", name="suspicion"),
    sqlite_strict=True,
)

portfolios = Table(
    "portfolios",
    metadata,
    Column("portfolio_number", Identity, primary_key=True),
    Column("model_version", Text, nullable=False),
    Column("seller_id", Text, nullable=False),
    Column("n", Identity, nullable=False, doc="listings that count"),
    Column("suspicion", Identity, nullable=False, doc="how suspicious they looked: thousandths, summed"),
    Column("latest", Moment, nullable=False, doc="when the latest of them was listed"),
    Column("n_before", Identity, nullable=False, doc="of the listings, those that were listed before that"),
    Column("suspicion_before", Identity, nullable=False),
    Column("changed_at", Moment, nullable=False, index=True),
    UniqueConstraint("seller_id", "model_version"),
    sqlite_strict=True,
)
