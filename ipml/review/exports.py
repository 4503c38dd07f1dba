"""Exports: cases and decisions as rows for files, and decisions as labels for training.

Rows are read in chunks, each in its own short transaction, so a slow reader blocks nobody.
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
    """Conditions on exported rows, all of which must hold.

    `state` is the case's: "open", "escalated" or "decided". `since` (inclusive) and `until` (exclusive) apply to the
    moment of the decision, or for cases to the moment of enqueuing.
    """

    state: str | None = None
    brand: str | None = None
    seller_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def export_cases(engine: Engine, wanted: ExportFilter) -> Iterator[Mapping[str, Value]]:
    """Yield a row of `CASE_COLUMNS` for each case, in order of arrival."""
    query = _apply_filter(select(cases), wanted, cases.c.enqueued_at)
    for row in _read(engine, query, cases.c.case_id):
        yield {"case_id": row.case_id, "state": row.state, "enqueued_at": row.enqueued_at, **_describe(row)}


def export_decisions(engine: Engine, wanted: ExportFilter) -> Iterator[Mapping[str, Value]]:
    """Yield a row of `DECISION_COLUMNS` for each decision, in order."""
    own = ("decision_id", "case_id", "verdict", "ground", "note", "reviewer", "decided_at", "origin")
    columns = [*(decisions.c[name] for name in own), stands().label("stands")]
    query = select(*columns, cases.c.snapshot).join(cases, cases.c.case_id == decisions.c.case_id)
    for row in _read(engine, _apply_filter(query, wanted, decisions.c.decided_at), decisions.c.decision_id):
        yield {**{name: getattr(row, name) for name in own}, "stands": bool(row.stands), **_describe(row)}


def _apply_filter(query: Select[Any], wanted: ExportFilter, at: ColumnElement[datetime]) -> Select[Any]:
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
    """Yield a label for each version of a listing decided counterfeit or genuine, by its latest such decision.

    Each label has the listing as it was judged. "Cannot tell" and "escalate" give no label and do not undo an earlier
    verdict. Decisions that were taken back, made by a policy, or made on a listing erased since give none. The weight
    is the probability that the verdict is right, by the consensus of all who judged the case and their error rates; it
    is 1 while no case was judged twice, and for verdicts on appeal, which had facts the others had not. `known_by`
    limits decisions to that moment or before, as training for a test at that moment requires.
    """
    says_truth = decisions.c.verdict.in_([Verdict.COUNTERFEIT, Verdict.GENUINE])
    latest = select(func.max(decisions.c.decision_id)).where(says_truth, stands(known_by), by_people())
    latest = latest.join(cases, cases.c.case_id == decisions.c.case_id)
    # Versions of a listing without a moment of observation cannot be distinguished.
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
        weight = _compute_weight(chance, is_counterfeit)
        yield Label(decode(row.snapshot).listing, is_counterfeit, row.decided_at, weight, row.sampling_probability)


def _compute_weight(chance: float | None, is_counterfeit: bool) -> float:
    if chance is None:
        return _FULL_WEIGHT
    return chance if is_counterfeit else 1 - chance


def label_listing(label: Label) -> Listing:
    """Return the listing of a label with the label in its own fields, as training reads it."""
    return replace(
        label.listing,
        is_counterfeit=label.is_counterfeit,
        labelled_at=label.labelled_at,
        label_weight=label.weight,
        label_probability=label.sampling_probability,
    )
