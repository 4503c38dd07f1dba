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
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)

from ipml.cooperation.reports.period import Period, day_number, month_of
from ipml.records import Verdict
from ipml.review.cases import STATES
from ipml.review.reversals import is_last_verdict
from ipml.storage.tables import cases, decisions, measures, opinions, sifts

WAYS = ("people", "spread", "policy", "appeal")
VERDICTS = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)
_WAY_OF = {"review": "people", "bulk": "people", "spread": "spread", "policy": "policy"}
_HOUR = 3_600_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions of a period.

    Attributes
    ----------
    counts : mapping of (way, verdict, month, stands) to int
        Verdicts that end a case, each once. One stands if it is the last on its case: neither taken back nor followed
        by another, so that of those that stand there is one for each case.
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
    """Return the decisions of a period; what was taken back or decided anew by `as_of` does not stand."""
    day = day_number(decisions.c.decided_at).label("day")
    query = (
        select(day, decisions.c.origin, decisions.c.verdict, func.count())
        .where(period.holds(decisions.c.decided_at, as_of), decisions.c.verdict != Verdict.ESCALATE)
        .group_by(day, decisions.c.origin, decisions.c.verdict)
    )
    if brand is not None:
        query = query.join(cases, cases.c.case_id == decisions.c.case_id).where(cases.c.brand == brand)
    counts: dict[tuple[str, str, str, bool], int] = defaultdict(int)
    for stands, some in ((True, query.where(is_last_verdict(as_of))), (False, query)):
        for number, origin, verdict, count in connection.execute(some):
            counts[_WAY_OF.get(origin, "appeal"), verdict, month_of(number), stands] += count
    for (way, verdict, month, stands), count in list(counts.items()):
        if stands:
            counts[way, verdict, month, False] -= count
    return Decided({key: count for key, count in counts.items() if count})


def count_queued(connection: Connection, period: Period, as_of: datetime, brand: str | None = None) -> dict[str, int]:
    """Return how many cases came into the queue, by month."""
    day = day_number(cases.c.enqueued_at).label("day")
    # All states are named so that an index that begins with the state can be used.
    is_new = period.holds(cases.c.enqueued_at, as_of)
    query = select(day, func.count()).where(cases.c.state.in_(STATES), is_new).group_by(day)
    if brand is not None:
        query = query.where(cases.c.brand == brand)
    counts: dict[str, int] = defaultdict(int)
    for number, count in connection.execute(query):
        counts[month_of(number)] += count
    return dict(counts)


def count_seen(connection: Connection, period: Period, as_of: datetime) -> int | None:
    """Return how many scored listings came by in files; None where none was sifted. A file counts once."""
    newest = select(func.max(sifts.c.sift_id)).where(period.holds(sifts.c.sifted_at, as_of))
    newest = newest.group_by(sifts.c.file_digest)
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
    return Sellers(n, int(repeated or 0), _count_back(connection, period, as_of, brand))


def count_by(
    connection: Connection, period: Period, as_of: datetime, column: ColumnElement[Any]
) -> list[tuple[str, int, int]]:
    """Return groups of listings found counterfeit with how many there are and of how many sellers, most first."""
    listings, sellers = func.count().label("listings"), func.count(cases.c.seller_id.distinct())
    query = select_found(period, as_of, column, listings, sellers).where(column.is_not(None)).group_by(column)
    return [(name, n, of) for name, n, of in connection.execute(query.order_by(listings.desc(), column))]


def count_people(connection: Connection, period: Period, as_of: datetime) -> People:
    """Return who reviewed, one by one or in selections, and gave second looks."""
    said = select(decisions.c.reviewer, decisions.c.decided_at).where(
        period.holds(decisions.c.decided_at, as_of),
        decisions.c.origin.in_(("review", "bulk")),
        decisions.c.reviewer != "ipml",
    )
    looked = select(opinions.c.reviewer, opinions.c.decided_at).where(period.holds(opinions.c.decided_at, as_of))
    both = said.union_all(looked).subquery()
    hour = cast(type_coerce(both.c.decided_at, BigInteger) // literal(_HOUR, BigInteger), String)
    at_work = func.count((both.c.reviewer + literal(" ") + hour).distinct())
    n, hours = connection.execute(select(func.count(both.c.reviewer.distinct()), at_work)).one()
    return People(n, hours)


def select_found(period: Period, as_of: datetime, *columns: Any) -> Any:
    """Return the query for cases whose last verdict, given in the period, is that they are counterfeit."""
    return (
        select(*columns)
        .select_from(decisions.join(cases, cases.c.case_id == decisions.c.case_id))
        .where(period.holds(decisions.c.decided_at, as_of), decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(is_last_verdict(as_of))
    )


def _count_back(connection: Connection, period: Period, as_of: datetime, brand: str | None) -> int:
    """Return how many sellers had a measure on a listing that they put up after an earlier measure."""
    first = select(measures.c.pseudonym, func.min(measures.c.imposed_at).label("at")).group_by(measures.c.pseudonym)
    firsts = first.subquery()
    query = (
        select(func.count(measures.c.pseudonym.distinct()))
        .join(firsts, firsts.c.pseudonym == measures.c.pseudonym)
        .where(period.holds(measures.c.imposed_at, as_of), measures.c.listed_at > firsts.c.at)
    )
    if brand is not None:
        query = query.join(cases, cases.c.case_id == measures.c.case_id).where(cases.c.brand == brand)
    return connection.scalar(query) or 0
