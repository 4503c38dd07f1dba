"""Report figures: cases queued, decisions on them, and the precision of counterfeit verdicts.

The way of a decision is "people" (alone or in a selection), "spread" (repeated for near-duplicates), "policy" (without
a person) or "appeal" (a correction). Most errors go unnoticed, so a verdict that was not reversed proves little.
Precision therefore rests on drawn cases that another person judged blind, with known probability: audits of people's
decisions, listings left out of a spread, and cases that a policy would have acted on while the promise of their brand
was in force, from its threshold on. `ipml.review.quality.precision` defines a confirmed verdict; the three ways are
weighted by their decisions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    String,
    case,
    cast,
    func,
    literal,
    select,
    type_coerce,
)

from ipml.cooperation.reports.period import ReportScope, add_up
from ipml.enforcement.automation.guarantees import InForce, find_times_in_force
from ipml.records import Verdict
from ipml.review.cases import STATES
from ipml.review.quality.precision import (
    BY_LOOKING,
    WeightedReviews,
    holds_on_audit,
    is_audit_confirmed,
    is_confirmed,
    is_last_word,
    sum_reviews,
)
from ipml.review.quality.rates import Rate, count_rate
from ipml.review.reversals import is_last_verdict, stands
from ipml.storage.tables import (
    automatic_draws,
    cases,
    decisions,
    measures,
    samples,
    second_reviews,
    second_verdicts,
    spread_audits,
    stream_strata,
)

WAYS = ("people", "spread", "policy", "appeal")
VERDICTS = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)
_WAY_OF = {"review": "people", "bulk": "people", "spread": "spread", "policy": "policy"}
_HOUR = 3_600_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class PeriodDecisions:
    """Final verdicts of a period, by way, verdict, month, and whether they are in force.

    A verdict is in force if it is the last on its case: neither reversed nor followed by another.
    """

    counts: Mapping[tuple[str, str, str, bool], int]

    def count(
        self,
        way: str | None = None,
        verdict: str | None = None,
        month: str | None = None,
        stands: bool | None = None,
    ) -> int:
        """Return the number of decisions, optionally of one way, verdict or month, or in force."""
        return add_up(self.counts, way, verdict, month, stands)


@dataclass(frozen=True, slots=True)
class Sellers:
    """Sellers of listings found counterfeit: all, with several such listings, and back after a measure."""

    n: int
    repeated: int
    came_back: int


@dataclass(frozen=True, slots=True)
class ReviewerCounts:
    """Number of reviewers, and of hours with at least one verdict."""

    n: int
    hours: int


def count_decided(scope: ReportScope) -> PeriodDecisions:
    """Return the decisions of a period; those reversed or replaced by `as_of` are not in force."""
    month = scope.month_of(decisions.c.decided_at).label("month")
    is_end = decisions.c.verdict != Verdict.ESCALATE
    query = select(month, decisions.c.origin, decisions.c.verdict).where(scope.holds(decisions.c.decided_at), is_end)
    if scope.brand is not None:
        query = query.join(cases, cases.c.case_id == decisions.c.case_id).where(scope.is_of_brand())
    counts: dict[tuple[str, str, str, bool], int] = defaultdict(int)
    for is_final, some in ((True, query.where(is_last_verdict(scope.as_of))), (False, query)):
        each = some.subquery().c
        groups = each.month, each.origin, each.verdict
        for name, origin, verdict, n in scope.connection.execute(select(*groups, func.count()).group_by(*groups)):
            key = _WAY_OF.get(origin, "appeal"), verdict, name
            counts[*key, is_final] += n
            if is_final:
                counts[*key, False] -= n  # counted among all verdicts as well
    return PeriodDecisions({key: count for key, count in counts.items() if count})


def count_queued(scope: ReportScope) -> dict[str, int]:
    """Return the number of cases queued, by month."""
    month = scope.month_of(cases.c.enqueued_at).label("month")
    # Naming all states lets the database use an index that begins with the state.
    is_new = cases.c.state.in_(STATES), scope.holds(cases.c.enqueued_at), scope.is_of_brand()
    each = select(month).where(*is_new).subquery().c
    query = select(each.month, func.count()).group_by(each.month)
    return dict(scope.connection.execute(query).all())


def count_seen(scope: ReportScope) -> int | None:
    """Return the number of scored listings in files and streams; None if none was sampled.

    A file counts once; a listing of a stream counts once for each offer and day.
    """
    newest = select(func.max(samples.c.sample_id)).where(scope.holds(samples.c.drawn_at))
    newest = newest.group_by(samples.c.file_digest)
    counts = (samples.c.sample_id, samples.c.listings), (stream_strata.c.sample_id, stream_strata.c.listings)
    seen = [
        scope.connection.scalar(select(func.sum(listings)).where(number.in_(newest))) for number, listings in counts
    ]
    return None if seen == [None, None] else sum(int(count or 0) for count in seen)


def count_sellers(scope: ReportScope) -> Sellers:
    """Return the numbers of sellers of listings found counterfeit."""
    listings = select_found(scope, cases.c.seller_id, func.count(cases.c.listing_id.distinct()).label("listings"))
    by_seller = listings.group_by(cases.c.seller_id).subquery()
    several = func.count().filter(by_seller.c.listings > 1)
    n, repeated = scope.connection.execute(select(func.count(), several).select_from(by_seller)).one()
    return Sellers(n, repeated, _count_back(scope))


def count_by(scope: ReportScope, column: ColumnElement[Any]) -> list[tuple[str, int, int]]:
    """Return groups of listings found counterfeit with the numbers of listings and sellers, most first."""
    listings, sellers = func.count().label("listings"), func.count(cases.c.seller_id.distinct())
    query = select_found(scope, column, listings, sellers).where(column.is_not(None)).group_by(column)
    return [(name, n, of) for name, n, of in scope.connection.execute(query.order_by(listings.desc(), column))]


def count_people(scope: ReportScope) -> ReviewerCounts:
    """Return the numbers of people who gave verdicts or second verdicts."""
    verdicts = select(decisions.c.reviewer, decisions.c.decided_at).where(
        scope.holds(decisions.c.decided_at),
        decisions.c.origin.in_(BY_LOOKING),
        decisions.c.reviewer != "ipml",
    )
    given = select(second_verdicts.c.reviewer, second_verdicts.c.decided_at).where(
        scope.holds(second_verdicts.c.decided_at)
    )
    both = verdicts.union_all(given).subquery()
    hour = cast(type_coerce(both.c.decided_at, BigInteger) // literal(_HOUR, BigInteger), String)
    at_work = func.count((both.c.reviewer + literal(" ") + hour).distinct())
    n, hours = scope.connection.execute(select(func.count(both.c.reviewer.distinct()), at_work)).one()
    return ReviewerCounts(n, hours)


def select_found(scope: ReportScope, *columns: Any) -> Any:
    """Return the query for cases whose last verdict, given in the period, is counterfeit."""
    return (
        select(*columns)
        .select_from(decisions.join(cases, cases.c.case_id == decisions.c.case_id))
        .where(scope.holds(decisions.c.decided_at), decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(is_last_verdict(scope.as_of), scope.is_of_brand())
    )


def _count_back(scope: ReportScope) -> int:
    """Return the number of sellers with a measure on a listing put up after an earlier measure."""
    first = select(measures.c.pseudonym, func.min(measures.c.imposed_at).label("at")).group_by(measures.c.pseudonym)
    firsts = first.subquery()
    query = (
        select(func.count(measures.c.pseudonym.distinct()))
        .join(firsts, firsts.c.pseudonym == measures.c.pseudonym)
        .where(scope.holds(measures.c.imposed_at), measures.c.listed_at > firsts.c.at)
    )
    if scope.brand is not None:
        query = query.join(cases, cases.c.case_id == measures.c.case_id).where(scope.is_of_brand())
    return scope.connection.scalar(query) or 0


@dataclass(frozen=True, slots=True)
class Precision:
    """Precision of one way of deciding ("people", "spread", "policy"), or of "all".

    `decided` are counterfeit verdicts, of which `taken_back` no longer hold. `drawn` had a second review, which
    confirmed `confirmed` of them. `rate` is None without second reviews.
    """

    way: str
    decided: int
    taken_back: int
    drawn: int
    confirmed: int
    rate: Rate | None


def measure_precision(scope: ReportScope, decided: PeriodDecisions) -> tuple[Precision, ...]:
    """Return the precision of each way of deciding, and last of all together."""
    drawn = scope.connection.execute(_drawn(scope).execution_options(yield_per=1000))
    audited, spread = (scope.connection.execute(query).one() for query in (_audited(scope), _spread(scope)))
    parts = [
        _make_part("people", decided, WeightedReviews.of_row(audited)),
        _make_part("spread", decided, WeightedReviews.of_row(spread)),
        _make_part("policy", decided, _sum_in_force(drawn, find_times_in_force(scope.connection, scope.as_of))),
    ]
    return (*parts, _put_together(parts))


def _make_part(way: str, decided: PeriodDecisions, looks: WeightedReviews) -> Precision:
    made = decided.count(way, Verdict.COUNTERFEIT)
    back = decided.count(way, Verdict.COUNTERFEIT, stands=False)
    return Precision(way, made, back, looks.n, looks.confirmed, looks.rate())


def _put_together(parts: list[Precision]) -> Precision:
    """Combine the ways, weighted by decisions; ways without second reviews are left out."""
    rated = [part for part in parts if part.rate and part.decided]
    total = sum(part.decided for part in rated)
    sums = (sum(getattr(part, name) for part in parts) for name in ("decided", "taken_back", "drawn", "confirmed"))
    decided, taken_back, drawn, confirmed = sums
    rate = None
    if total:
        shares = [(part.decided / total, part.rate) for part in rated if part.rate]
        share = sum(weight * rate.share for weight, rate in shares)
        effective = 1 / sum(weight**2 / rate.n for weight, rate in shares)
        rate = count_rate(share * effective, effective)
    return Precision("all", decided, taken_back, drawn, confirmed, rate)


def _audited(scope: ReportScope) -> Select[Any]:
    return (
        select(*sum_reviews(is_audit_confirmed(scope.as_of), second_reviews.c.sampling_probability))
        .select_from(second_reviews.join(decisions, decisions.c.decision_id == second_reviews.c.decision_id))
        .join(second_verdicts, second_verdicts.c.review_id == second_reviews.c.review_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(
            second_reviews.c.kind == "audit",
            second_reviews.c.sampling_probability > 0,
            decisions.c.origin.in_(BY_LOOKING),
        )
        .where(scope.holds(decisions.c.decided_at), decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(*holds_on_audit(scope.as_of), scope.is_of_brand())
    )


def _spread(scope: ReportScope) -> Select[Any]:
    first = decisions.alias("first")
    return (
        select(*sum_reviews(is_confirmed(scope.as_of), literal(1.0)))
        .select_from(decisions)
        .join(spread_audits, spread_audits.c.case_id == decisions.c.case_id)
        .join(first, first.c.decision_id == spread_audits.c.decision_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(spread_audits.c.verdict == Verdict.COUNTERFEIT, scope.holds(first.c.decided_at))
        .where(is_last_word(scope.as_of), stands(scope.as_of, of=first), scope.is_of_brand())
    )


def _drawn(scope: ReportScope) -> Select[Any]:
    """Select people's verdicts on cases drawn from those that a policy acts on or may learn to act on."""
    return (
        select(automatic_draws, case((is_confirmed(scope.as_of), 1), else_=0).label("confirmed"))
        .select_from(decisions)
        .join(automatic_draws, automatic_draws.c.case_id == decisions.c.case_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(scope.holds(automatic_draws.c.drawn_at), automatic_draws.c.sampling_probability > 0)
        .where(is_last_word(scope.as_of), scope.is_of_brand())
    )


def _sum_in_force(drawn: Iterable[Row[Any]], times: Mapping[str, Sequence[InForce]]) -> WeightedReviews:
    sums = WeightedReviews()
    for row in drawn:
        if any(stretch.covers(row.drawn_at, row.score, row.model_version) for stretch in times.get(row.brand, ())):
            weight = 1 / row.sampling_probability
            sums += WeightedReviews(1, row.confirmed, weight, weight * row.confirmed, weight**2)
    return sums
