"""What leaves the queue: cases and decisions as rows for files, and what people decided, as labels for training.

Rows are read in parts, each in a short transaction of its own: however slowly somebody takes them, nobody waits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, case, func, select

from ipml.records import Label, Listing, Verdict
from ipml.review.arrivals.snapshot import decode
from ipml.review.quality.assessment import find_label_chances
from ipml.review.reversals import by_people, stands
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
class ExportFilter:
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


def export_cases(engine: Engine, wanted: ExportFilter) -> Iterator[Mapping[str, Value]]:
    """Give a row of `CASE_COLUMNS` for each case, in the order in which they came.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> [(row["case_id"], row["title"], row["score"]) for row in export_cases(engine, ExportFilter(state="open"))]
    [(1, 'Bag', 0.9)]
    """
    query = _narrow(select(cases), wanted, cases.c.enqueued_at)
    for row in _read(engine, query, cases.c.case_id):
        yield {"case_id": row.case_id, "state": row.state, "enqueued_at": row.enqueued_at, **_describe(row)}


def export_decisions(engine: Engine, wanted: ExportFilter) -> Iterator[Mapping[str, Value]]:
    """Give a row of `DECISION_COLUMNS` for each decision, in the order in which they were made."""
    own = ("decision_id", "case_id", "verdict", "ground", "note", "reviewer", "decided_at", "origin")
    columns = [*(decisions.c[name] for name in own), stands().label("stands")]
    query = select(*columns, cases.c.snapshot).join(cases, cases.c.case_id == decisions.c.case_id)
    for row in _read(engine, _narrow(query, wanted, decisions.c.decided_at), decisions.c.decision_id):
        yield {**{name: getattr(row, name) for name in own}, "stands": bool(row.stands), **_describe(row)}


def _narrow(query: Select[Any], wanted: ExportFilter, at: ColumnElement[datetime]) -> Select[Any]:
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


_FULL_WEIGHT = 1.0


def export_labels(connection: Connection, *, known_by: datetime | None = None) -> Iterator[Label]:
    """Give a label for each content of a listing that was decided counterfeit or genuine: the latest such decision.

    Parameters
    ----------
    known_by : datetime, optional
        Only decisions of this moment or before, as training for a test at that moment must see them.

    Yields
    ------
    Label
        The listing as it was when judged, in the order of the decisions. "cannot tell" and "escalate" give
        none, and do not undo an earlier verdict; a decision that was taken back, or that a policy made, gives none, nor
        does one on a listing that was erased since. Its weight is the probability that it is right, by the consensus of
        all who judged the case and from how often each of them errs; 1 as long as nobody has looked at anything twice,
        and where it was decided on an appeal: whoever decided that knew what the others had not seen.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database, reading, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bag = ScoredListing(Listing("A7", "s1", "Bag, mirror quality"), 0.9, 2.2, (), (), None, "2024-05")
    >>> _ = enqueue(engine, [bag])
    >>> with writing(engine) as connection:
    ...     _ = decide(connection, claim(connection, "ana"), Verdict.COUNTERFEIT, ground="declared_replica")
    ...     [(label.listing.listing_id, label.is_counterfeit) for label in export_labels(connection)]
    [('A7', True)]
    """
    says_truth = decisions.c.verdict.in_([Verdict.COUNTERFEIT, Verdict.GENUINE])
    latest = select(func.max(decisions.c.decision_id)).where(says_truth, stands(known_by), by_people())
    latest = latest.join(cases, cases.c.case_id == decisions.c.case_id)
    # Without a moment the contents of a listing could not be told apart.
    content = case((cases.c.observed_at.is_(None), 0), else_=cases.c.version)
    latest = latest.group_by(decisions.c.listing_id, content)
    if known_by is not None:
        latest = latest.where(decisions.c.decided_at <= known_by)
    query = (
        select(
            *(
                decisions.c.verdict,
                decisions.c.decided_at,
                decisions.c.case_id,
                decisions.c.sampling_probability,
                decisions.c.origin,
            ),
            cases.c.snapshot,
        )
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(decisions.c.decision_id.in_(latest), cases.c.erased_at.is_(None))
        .order_by(decisions.c.decision_id)
    )
    chances = find_label_chances(connection, known_by=known_by)
    for row in connection.execute(query.execution_options(yield_per=500)):
        is_counterfeit = row.verdict == Verdict.COUNTERFEIT
        chance = None if row.origin == "appeal" else chances.get(row.case_id)
        weight = _weigh(chance, is_counterfeit)
        yield Label(decode(row.snapshot).listing, is_counterfeit, row.decided_at, weight, row.sampling_probability)


def _weigh(chance: float | None, is_counterfeit: bool) -> float:
    if chance is None:
        return _FULL_WEIGHT
    return chance if is_counterfeit else 1 - chance


def label_listing(label: Label) -> Listing:
    """Return the listing of a label with the label in its own fields, as training reads it.

    Examples
    --------
    >>> from datetime import UTC
    >>> label = Label(Listing("A7", "s1", "Bag"), True, datetime(2024, 5, 6, tzinfo=UTC), 1.0)
    >>> label_listing(label).is_counterfeit
    True
    """
    return replace(
        label.listing,
        is_counterfeit=label.is_counterfeit,
        labelled_at=label.labelled_at,
        label_weight=label.weight,
        label_probability=label.sampling_probability,
    )
