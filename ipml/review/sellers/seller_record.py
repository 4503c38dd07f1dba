"""Seller record: complaints and strikes recorded by ipml, as events for the seller history.

A complaint is a consumer's first valid one on a listing, known from its arrival or from when its listing was found. A
strike is known from its decision, and stops counting once its reversal is known. The record is read from notices and
strikes each time and not stored twice, so a moment's history never changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    Subquery,
    Text,
    bindparam,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from ipml.storage.database import in_batches
from ipml.storage.pseudonyms import digest_listing
from ipml.storage.tables import cases, notice_items, notices, seller_keys, strikes, strikes_taken_back

RECORDED = {"complained": "seller_complaints", "struck": "seller_strikes"}
"""Kinds of events that ipml records, with their history fields."""

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """A complaint or strike on record; `kind` is a key of `RECORDED`.

    It counts from `known_at` until `reversed_at`, when the reversal of a strike became known. `listing_digest` is that
    of `digest_listing`, None if not stored.
    """

    seller_id: str
    kind: str
    occurred_at: datetime
    known_at: datetime
    reversed_at: datetime | None = None
    listing_digest: str | None = None

    def counts_at(self, moment: datetime) -> bool:
        """Return whether it counts by what was known at a moment."""
        return self.known_at <= moment and not (self.reversed_at is not None and self.reversed_at <= moment)


Record = Mapping[str, Sequence[RecordedEvent]]
"""Records by seller id; sellers without any are missing."""

_THEIRS = seller_keys.c.seller_id.in_(bindparam("seller_ids", expanding=True))
_complained_at = func.coalesce(notice_items.c.joined_at, notice_items.c.noted_at)
_IS_COMPLAINT = (notices.c.kind == "complaint") & ~notices.c.is_suspended & notice_items.c.repeats.is_(None)
_STRIKES = (
    select(
        seller_keys.c.seller_id,
        literal_column("'struck'", Text).label("kind"),
        strikes.c.seen_at.label("occurred_at"),
        strikes.c.struck_at.label("known_at"),
        strikes_taken_back.c.at.label("reversed_at"),
        cases.c.listing_id,
        null().label("listing_digest"),
    )
    .join_from(seller_keys, strikes, strikes.c.pseudonym == seller_keys.c.pseudonym)
    .join(cases, cases.c.case_id == strikes.c.case_id)
    .outerjoin(strikes_taken_back, strikes_taken_back.c.strike_id == strikes.c.strike_id)
)
_COMPLAINTS = (
    select(
        seller_keys.c.seller_id,
        literal_column("'complained'", Text).label("kind"),
        notice_items.c.noted_at.label("occurred_at"),
        _complained_at.label("known_at"),
        null().label("reversed_at"),
        cases.c.listing_id,
        notice_items.c.listing_digest,
    )
    .join_from(seller_keys, notice_items, notice_items.c.pseudonym == seller_keys.c.pseudonym)
    .join(notices, notices.c.notice_id == notice_items.c.notice_id)
    .outerjoin(cases, cases.c.case_id == notice_items.c.case_id)
    .where(_IS_COMPLAINT)
)
_OF_KIND: Mapping[str, Select[Any]] = {"complained": _COMPLAINTS, "struck": _STRIKES}
_OF_SELLERS = union_all(_STRIKES.where(_THEIRS), _COMPLAINTS.where(_THEIRS))  # built once, which takes long


def find_record(connection: Connection, seller_ids: Collection[str]) -> Record:
    """Return the whole record of sellers, regardless of when it became known."""
    found = defaultdict[str, list[RecordedEvent]](list)
    for some in in_batches(sorted(seller_ids)):
        for event in _read(connection.execute(_OF_SELLERS, {"seller_ids": some})):
            found[event.seller_id].append(event)
    return dict(found)


def list_record(connection: Connection, kind: str, known_by: datetime) -> Iterator[RecordedEvent]:
    """Yield the events of a kind that counted at a moment, by seller; erased sellers have none."""
    query = _OF_KIND[kind].order_by("seller_id", "known_at").execution_options(yield_per=_AT_ONCE)
    return (event for event in _read(connection.execute(query)) if event.counts_at(known_by))


def count_changes(events: Iterable[RecordedEvent], moment: datetime) -> int:
    """Return how often a record had changed by a moment.

    Events are only added, and reversed at most once, so equal numbers at two moments mean equal records.
    """
    return sum(at is not None and at <= moment for one in events for at in (one.known_at, one.reversed_at))


def select_changes(now: datetime) -> Subquery:
    """Return a subquery of each seller's number of changes by now (`count_changes`): seller_id, changes."""
    struck = select(strikes.c.pseudonym).where(strikes.c.struck_at <= now)
    taken_back = select(strikes.c.pseudonym).join(strikes_taken_back).where(strikes_taken_back.c.at <= now)
    complained = select(notice_items.c.pseudonym).join(notices, notices.c.notice_id == notice_items.c.notice_id)
    complained = complained.where(_IS_COMPLAINT, notice_items.c.pseudonym.is_not(None), _complained_at <= now)
    changes = union_all(struck, taken_back, complained).subquery()
    query = select(seller_keys.c.seller_id, func.count().label("changes"))
    query = query.join_from(changes, seller_keys, seller_keys.c.pseudonym == changes.c.pseudonym)
    return query.group_by(seller_keys.c.seller_id).subquery("record")


def _read(rows: Iterable[Row[Any]]) -> Iterator[RecordedEvent]:
    for row in rows:
        digest = row.listing_digest or (row.listing_id and digest_listing(row.listing_id))
        yield RecordedEvent(row.seller_id, row.kind, row.occurred_at, row.known_at, row.reversed_at, digest)
