"""How often what was found counterfeit is counterfeit, by what people found who looked a second time.

Who decides once errs at times, and most errors nobody notices: that a decision was not taken back proves little. So
some decisions are drawn, with known odds, and judged blind by another person: of people's decisions the audits, of what
was spread to near-duplicates the listings left out of it, of what a policy does the cases that it would have acted on
had they not been drawn for people: those it met while the promise of their brand was in force, from the threshold of
that time on. Each counts by one over its odds (Hajek 1971); the three are put together by how many decisions each
stands for. The interval is Wilson's for as many independent looks as these are worth (Kish 1965).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, false, func, literal, or_, select

from ipml.cooperation.reports.decided import Decided
from ipml.cooperation.reports.period import Period
from ipml.enforcement.automation.promises import InForce, find_times_in_force
from ipml.records import Verdict
from ipml.review.quality.rates import Rate, count_rate
from ipml.review.reversals import is_last_verdict, stands
from ipml.storage.tables import automatic_draws, cases, decisions, looks, opinions, spread_audits

_JUDGED = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class Precision:
    """Of one way of deciding, or of all.

    Attributes
    ----------
    way : str
        "people", "spread", "policy", or "all".
    decided, taken_back : int
        Listings found counterfeit, and those of them of which that does not hold any more.
    drawn, confirmed : int
        Looked at a second time, and found counterfeit by whoever did.
    rate : Rate or None
        The precision; None where nobody looked a second time.
    """

    way: str
    decided: int
    taken_back: int
    drawn: int
    confirmed: int
    rate: Rate | None


def measure_precision(
    connection: Connection, period: Period, as_of: datetime, decided: Decided, brand: str | None = None
) -> tuple[Precision, ...]:
    """Return the precision by ways of deciding, and of all together, last."""
    of_brand = () if brand is None else (cases.c.brand == brand,)
    people, spread = (query.where(*of_brand) for query in (_audited(period, as_of), _spread(period, as_of)))
    drawn = connection.execute(_drawn(period, as_of).where(*of_brand).execution_options(yield_per=1000))
    parts = [
        _make_part("people", decided, connection.execute(people).one()),
        _make_part("spread", decided, connection.execute(spread).one()),
        _make_part("policy", decided, _sum_in_force(drawn, find_times_in_force(connection, as_of))),
    ]
    return (*parts, _put_together(parts))


def _make_part(way: str, decided: Decided, sums: Sequence[Any]) -> Precision:
    n, confirmed, weight, hits, squares = sums
    made = decided.count(way, Verdict.COUNTERFEIT)
    back = decided.count(way, Verdict.COUNTERFEIT, stands=False)
    rate = None
    if n:
        worth = float(weight) ** 2 / float(squares)  # independent looks that these are worth
        rate = count_rate(float(hits) / float(weight) * worth, worth)
    return Precision(way, made, back, n, int(confirmed or 0), rate)


def _put_together(parts: list[Precision]) -> Precision:
    """Return all ways as one, each by its decisions; ways that nobody looked at a second time take no part."""
    known = [part for part in parts if part.rate and part.decided]
    total = sum(part.decided for part in known)
    sums = (sum(getattr(part, name) for part in parts) for name in ("decided", "taken_back", "drawn", "confirmed"))
    decided, taken_back, drawn, confirmed = sums
    rate = None
    if total:
        shares = [(part.decided / total, part.rate) for part in known if part.rate]
        share = sum(weight * rate.share for weight, rate in shares)
        worth = 1 / sum(weight**2 / rate.n for weight, rate in shares)
        rate = count_rate(share * worth, worth)
    return Precision("all", decided, taken_back, drawn, confirmed, rate)


def _sums(verdict: ColumnElement[Any], odds: ColumnElement[Any]) -> tuple[Any, ...]:
    """Return the columns that `_make_part` reads."""
    hit, weight = case((verdict == Verdict.COUNTERFEIT, 1), else_=0), 1.0 / odds
    return func.count(), func.sum(hit), func.sum(weight), func.sum(hit * weight), func.sum(weight * weight)


def _audited(period: Period, as_of: datetime) -> Select[Any]:
    """Select what others said of people's decisions that were drawn."""
    is_back = func.coalesce(opinions.c.withdrawn_at <= as_of, false())
    said = and_(opinions.c.look_id == looks.c.look_id, opinions.c.decided_at <= as_of, ~is_back)
    return (
        select(*_sums(opinions.c.verdict, looks.c.odds))
        .select_from(looks.join(decisions, decisions.c.decision_id == looks.c.decision_id))
        .join(opinions, said)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(looks.c.kind == "audit", looks.c.odds > 0, decisions.c.origin.in_(("review", "bulk")))
        .where(period.holds(decisions.c.decided_at, as_of), decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(opinions.c.verdict.in_(_JUDGED))
    )


def _spread(period: Period, as_of: datetime) -> Select[Any]:
    """Select what people found of listings to which a decision would have spread."""
    first = decisions.alias("first")
    return (
        select(*_sums(decisions.c.verdict, literal(1.0)))
        .select_from(decisions)
        .join(spread_audits, spread_audits.c.case_id == decisions.c.case_id)
        .join(first, first.c.decision_id == spread_audits.c.decision_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(spread_audits.c.verdict == Verdict.COUNTERFEIT, period.holds(first.c.decided_at, as_of))
        .where(*_by_people(as_of), stands(as_of, of=first))
    )


def _drawn(period: Period, as_of: datetime) -> Select[Any]:
    """Select what people found of the cases drawn from those that a policy acts on, or from which it may learn to."""
    return (
        select(automatic_draws, decisions.c.verdict)
        .select_from(decisions)
        .join(automatic_draws, automatic_draws.c.case_id == decisions.c.case_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(period.holds(automatic_draws.c.drawn_at, as_of), automatic_draws.c.odds > 0, *_by_people(as_of))
    )


def _sum_in_force(drawn: Iterable[Row[Any]], times: Mapping[str, Sequence[InForce]]) -> tuple[float, ...]:
    """Return the sums that `_make_part` reads, over the drawn cases that would have been acted on."""
    n = confirmed = 0
    weight = hits = squares = 0.0
    for row in drawn:
        if any(one.covers(row.drawn_at, row.score, row.model_version) for one in times.get(row.brand, ())):
            is_hit = row.verdict == Verdict.COUNTERFEIT
            n, confirmed = n + 1, confirmed + is_hit
            weight, hits, squares = weight + 1 / row.odds, hits + is_hit / row.odds, squares + 1 / row.odds**2
    return n, confirmed, weight, hits, squares


def _by_people(as_of: datetime) -> tuple[ColumnElement[bool], ...]:
    own = or_(decisions.c.origin == "review", decisions.c.origin == "bulk")
    said = decisions.c.verdict.in_(_JUDGED)
    return own, said, is_last_verdict(as_of)
