"""What came into the queue and what was decided on it: by whom, month by month, brand by brand, of how many sellers.

Who decided is told by how a decision came about: "people" one by one or in a selection, "spread" where a person's
decision was repeated for near-duplicates, "policy" without a person, "appeal" where an earlier one was corrected.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)

from ipml.cooperation.reports.period import Period, day_number, month_of
from ipml.records import Verdict
from ipml.storage.tables import cases, decisions, measures, opinions, reversals, sifts

WAYS = ("people", "spread", "policy", "appeal")
VERDICTS = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)
_WAY_OF = {"review": "people", "bulk": "people", "spread": "spread", "policy": "policy"}
_STATES = ("open", "escalated", "decided")
_HOUR = 3_600_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions of a period.

    Attributes
    ----------
    counts : mapping of (way, verdict, month, stands) to int
        Verdicts that end a case, each once.
    """

    counts: Mapping[tuple[str, str, str, bool], int]

    def count(
        self,
        way: str | None = None,
        verdict: str | None = None,
        month: str | None = None,
        stands: bool | None = None,
    ) -> int:
        """Return how many there are; of one way, verdict or month only, or only those that stand, where given."""
        wanted = (way, verdict, month, stands)
        return sum(
            number
            for key, number in self.counts.items()
            if all(one is None or one == given for one, given in zip(wanted, key, strict=True))
        )


@dataclass(frozen=True, slots=True)
class Sellers:
    """Sellers of listings found counterfeit: how many, with several listings, and who listed again after a measure."""

    n: int
    repeated: int
    came_back: int


@dataclass(frozen=True, slots=True)
class People:
    """Who reviewed: how many people, and in how many hours in which at least one verdict fell."""

    n: int
    hours: int


def count_decided(connection: Connection, period: Period, as_of: datetime, brand: str | None = None) -> Decided:
    """Return the decisions of a period in one pass; what was taken back by `as_of` does not stand."""
    day, stood = day_number(decisions.c.decided_at).label("day"), is_standing().label("stands")
    query = (
        select(day, decisions.c.origin, decisions.c.verdict, stood, func.count())
        .select_from(with_reversals(as_of))
        .where(period.holds(decisions.c.decided_at), decisions.c.verdict != Verdict.ESCALATE)
        .group_by(day, decisions.c.origin, decisions.c.verdict, stood)
    )
    if brand is not None:
        query = query.join(cases, cases.c.case_id == decisions.c.case_id).where(cases.c.brand == brand)
    counts: dict[tuple[str, str, str, bool], int] = defaultdict(int)
    for number, origin, verdict, standing, count in connection.execute(query):
        counts[_WAY_OF.get(origin, "appeal"), verdict, month_of(number), bool(standing)] += count
    return Decided(dict(counts))


def count_queued(connection: Connection, period: Period, brand: str | None = None) -> dict[str, int]:
    """Return how many cases came into the queue, by month."""
    day = day_number(cases.c.enqueued_at).label("day")
    # All states are named so that an index that begins with the state can be used.
    query = select(day, func.count()).where(cases.c.state.in_(_STATES), period.holds(cases.c.enqueued_at)).group_by(day)
    if brand is not None:
        query = query.where(cases.c.brand == brand)
    counts: dict[str, int] = defaultdict(int)
    for number, count in connection.execute(query):
        counts[month_of(number)] += count
    return dict(counts)


def count_seen(connection: Connection, period: Period) -> int | None:
    """Return how many scored listings came by in files; None where none was sifted. A file counts once."""
    newest = select(func.max(sifts.c.sift_id)).where(period.holds(sifts.c.sifted_at)).group_by(sifts.c.file_digest)
    query = select(func.sum(sifts.c.listings)).where(sifts.c.sift_id.in_(newest))
    seen = connection.scalar(query)
    return None if seen is None else int(seen)


def count_sellers(connection: Connection, period: Period, as_of: datetime, brand: str | None = None) -> Sellers:
    """Return how many sellers had listings that are found counterfeit."""
    found = select_found(period, as_of, cases.c.seller_id, func.count(cases.c.listing_id.distinct()).label("listings"))
    if brand is not None:
        found = found.where(cases.c.brand == brand)
    by_seller = found.group_by(cases.c.seller_id).subquery()
    several = func.sum(case((by_seller.c.listings > 1, 1), else_=0))
    n, repeated = connection.execute(select(func.count(), several).select_from(by_seller)).one()
    return Sellers(n, int(repeated or 0), _count_back(connection, period, brand))


def count_by(
    connection: Connection, period: Period, as_of: datetime, column: ColumnElement[Any]
) -> list[tuple[str, int, int]]:
    """Return groups of listings found counterfeit with how many there are and of how many sellers, most first."""
    listings, sellers = func.count().label("listings"), func.count(cases.c.seller_id.distinct())
    query = select_found(period, as_of, column, listings, sellers).where(column.is_not(None)).group_by(column)
    return [(name, n, of) for name, n, of in connection.execute(query.order_by(listings.desc(), column))]


def count_people(connection: Connection, period: Period) -> People:
    """Return who reviewed, one by one or in selections, and gave second looks."""
    said = select(decisions.c.reviewer, decisions.c.decided_at).where(
        period.holds(decisions.c.decided_at), decisions.c.origin.in_(("review", "bulk")), decisions.c.reviewer != "ipml"
    )
    looked = select(opinions.c.reviewer, opinions.c.decided_at).where(period.holds(opinions.c.decided_at))
    both = said.union_all(looked).subquery()
    hour = cast(type_coerce(both.c.decided_at, BigInteger) // literal(_HOUR, BigInteger), String)
    at_work = func.count((both.c.reviewer + literal(" ") + hour).distinct())
    n, hours = connection.execute(select(func.count(both.c.reviewer.distinct()), at_work)).one()
    return People(n, hours)


def with_reversals(as_of: datetime) -> Any:
    """Return decisions, each with what took it back by a moment."""
    undone = and_(reversals.c.decision_id == decisions.c.decision_id, reversals.c.reversed_at <= as_of)
    return decisions.outerjoin(reversals, undone)


def is_standing() -> ColumnElement[Any]:
    """Return 1 for a row of `with_reversals` that stands, and 0 for one that was taken back."""
    return case((reversals.c.reversal_id.is_(None), 1), else_=0)


def select_found(period: Period, as_of: datetime, *columns: Any) -> Any:
    """Return the query for cases that a standing decision of the period found counterfeit."""
    return (
        select(*columns)
        .select_from(with_reversals(as_of).join(cases, cases.c.case_id == decisions.c.case_id))
        .where(period.holds(decisions.c.decided_at), decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(reversals.c.reversal_id.is_(None))
    )


def _count_back(connection: Connection, period: Period, brand: str | None) -> int:
    """Return how many sellers had a measure on a listing that they put up after an earlier measure."""
    first = select(measures.c.pseudonym, func.min(measures.c.imposed_at).label("at")).group_by(measures.c.pseudonym)
    firsts = first.subquery()
    query = (
        select(func.count(measures.c.pseudonym.distinct()))
        .join(firsts, firsts.c.pseudonym == measures.c.pseudonym)
        .where(period.holds(measures.c.imposed_at), measures.c.listed_at > firsts.c.at)
    )
    if brand is not None:
        query = query.join(cases, cases.c.case_id == measures.c.case_id).where(cases.c.brand == brand)
    return connection.scalar(query) or 0
