"""Cases and decisions as rows of plain values, for files that people take away.

Read in parts, each in a short transaction of its own: however slowly somebody takes the rows, nobody waits for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, select

from ipml.review.reversals import stands
from ipml.review.snapshot import decode
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions

_AT_ONCE = 500

Value = str | float | int | datetime | None

_OF_CASE = ("listing_id", "seller_id", "brand", "title", "price", "currency", "score", "model_version")
CASE_COLUMNS = ("case_id", "state", "enqueued_at", *_OF_CASE)
DECISION_COLUMNS = (
    "decision_id",
    "case_id",
    "verdict",
    "ground",
    "note",
    "reviewer",
    "decided_at",
    "origin",
    "stands",
    *_OF_CASE,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of them: each condition that is given must hold.

    Attributes
    ----------
    state : str or None
        "open", "escalated" or "decided", of the case.
    brand, seller_id : str or None
    since, until : datetime or None
        Decided (a case: put into the queue) at or after, and before.
    """

    state: str | None = None
    brand: str | None = None
    seller_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def export_cases(engine: Engine, wanted: Wanted) -> Iterator[Mapping[str, Value]]:
    """Give a row of `CASE_COLUMNS` for each case, in the order in which they came.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> [(row["case_id"], row["title"], row["score"]) for row in export_cases(engine, Wanted(state="open"))]
    [(1, 'Bag', 0.9)]
    """
    query = _narrow(select(cases), wanted, cases.c.enqueued_at)
    for row in _read(engine, query, cases.c.case_id):
        yield {"case_id": row.case_id, "state": row.state, "enqueued_at": row.enqueued_at, **_describe(row)}


def export_decisions(engine: Engine, wanted: Wanted) -> Iterator[Mapping[str, Value]]:
    """Give a row of `DECISION_COLUMNS` for each decision, in the order in which they were made."""
    own = ("decision_id", "case_id", "verdict", "ground", "note", "reviewer", "decided_at", "origin")
    columns = [*(decisions.c[name] for name in own), stands().label("stands")]
    query = select(*columns, cases.c.snapshot).join(cases, cases.c.case_id == decisions.c.case_id)
    for row in _read(engine, _narrow(query, wanted, decisions.c.decided_at), decisions.c.decision_id):
        yield {**{name: getattr(row, name) for name in own}, "stands": bool(row.stands), **_describe(row)}


def _narrow(query: Select[Any], wanted: Wanted, at: ColumnElement[datetime]) -> Select[Any]:
    equal = ((cases.c.state, wanted.state), (cases.c.brand, wanted.brand), (cases.c.seller_id, wanted.seller_id))
    query = query.where(*(column == value for column, value in equal if value is not None))
    if wanted.since is not None:
        query = query.where(at >= wanted.since)
    return query if wanted.until is None else query.where(at < wanted.until)


def _read(engine: Engine, query: Select[Any], number: ColumnElement[int]) -> Iterator[Row[Any]]:
    last = 0
    while True:
        with reading(engine) as connection:
            rows = connection.execute(query.where(number > last).order_by(number).limit(_AT_ONCE)).all()
        yield from rows
        if len(rows) < _AT_ONCE:
            return
        last = getattr(rows[-1], number.key or "")


def _describe(row: Row[Any]) -> dict[str, Value]:
    scored = decode(row.snapshot)
    listing = scored.listing
    return {
        "listing_id": listing.listing_id,
        "seller_id": listing.seller_id,
        "brand": listing.brand,
        "title": listing.title,
        "price": listing.price,
        "currency": listing.currency,
        "score": scored.score,
        "model_version": scored.model_version,
    }
