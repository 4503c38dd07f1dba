"""A seller over time, as far as their cases tell: what was known at each look, and what was decided."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from ipml.records import Listing, Verdict
from ipml.review.reversals import stands
from ipml.review.snapshot import decode
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions

_MOST_CASES = 60


@dataclass(frozen=True, slots=True)
class SellerLook:
    """A listing of a seller, with what was known of the seller when it was seen."""

    case_id: int
    at: datetime
    listing: Listing


@dataclass(frozen=True, slots=True)
class SellerVerdict:
    """What was decided on a listing of a seller, and when."""

    case_id: int
    at: datetime
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class SellerRecord:
    """The latest 60 cases of a seller in the order they were seen, and the decisions on them that stand."""

    looks: tuple[SellerLook, ...]
    verdicts: tuple[SellerVerdict, ...]


def read_seller_record(engine: Engine, seller_id: str, hidden: Collection[int] = ()) -> SellerRecord:
    """Return what the cases of a seller tell of them over time.

    Parameters
    ----------
    hidden : collection of int
        Cases whose decisions are kept from who asks.

    Examples
    --------
    >>> from ipml.records import ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> [look.listing.title for look in read_seller_record(engine, "s1").looks]
    ['Bag']
    """
    with reading(engine) as connection:
        looks = _find_looks(connection, seller_id)
        numbers = [look.case_id for look in looks if look.case_id not in hidden]
        query = (
            select(decisions.c.case_id, decisions.c.decided_at, decisions.c.verdict)
            .where(decisions.c.case_id.in_(numbers), decisions.c.verdict != Verdict.ESCALATE, stands())
            .order_by(decisions.c.decision_id)
        )
        verdicts = [
            SellerVerdict(row.case_id, row.decided_at, Verdict(row.verdict)) for row in connection.execute(query)
        ]
    return SellerRecord(tuple(sorted(looks, key=lambda look: (look.at, look.case_id))), tuple(verdicts))


def _find_looks(connection: Connection, seller_id: str) -> list[SellerLook]:
    # The numbers come from an index; only the snapshots of the latest are read.
    latest = select(cases.c.case_id).where(cases.c.seller_id == seller_id).order_by(cases.c.case_id.desc())
    query = select(cases.c.case_id, cases.c.observed_at, cases.c.enqueued_at, cases.c.snapshot).where(
        cases.c.case_id.in_(connection.scalars(latest.limit(_MOST_CASES)).all())
    )
    return [
        SellerLook(row.case_id, row.observed_at or row.enqueued_at, decode(row.snapshot).listing)
        for row in connection.execute(query)
    ]
