"""How often what was found counterfeit is counterfeit, by what people found who looked a second time.

Who decides once errs at times, and most errors nobody notices: that a decision was not taken back proves little. So
some decisions are drawn, with known odds, and judged blind by another person: of people's decisions the audits, of what
was spread to near-duplicates the listings left out of it, of what a policy does the cases drawn before it acts. Each
counts by one over its odds (Hajek 1971); the three are put together by how many decisions each stands for. The
interval is Wilson's for as many independent looks as these are worth (Kish 1965).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, or_, select

from ipml.cooperation.reports.decided import Decided, with_reversals
from ipml.cooperation.reports.period import Period
from ipml.records import Verdict
from ipml.review.quality.rates import Rate, count_rate
from ipml.storage.tables import automatic_draws, cases, decisions, looks, opinions, reversals, spread_audits

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
    selected = {
        "people": _audited(period, as_of),
        "spread": _spread(period, as_of),
        "policy": _drawn(period, as_of),
    }
    parts = []
    for way, query in selected.items():
        chosen = query if brand is None else query.where(cases.c.brand == brand)
        parts.append(_make_part(way, decided, connection.execute(chosen).one()))
    return (*parts, _put_together(parts))


def _make_part(way: str, decided: Decided, row: Any) -> Precision:
    n, confirmed, weight, hits, squares = row
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
    said = and_(
        opinions.c.look_id == looks.c.look_id, opinions.c.decided_at <= as_of, opinions.c.withdrawn_at.is_(None)
    )
    return (
        select(*_sums(opinions.c.verdict, looks.c.odds))
        .select_from(looks.join(decisions, decisions.c.decision_id == looks.c.decision_id))
        .join(opinions, said)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(looks.c.kind == "audit", looks.c.odds > 0, decisions.c.origin.in_(("review", "bulk")))
        .where(period.holds(decisions.c.decided_at), decisions.c.verdict == Verdict.COUNTERFEIT)
        .where(opinions.c.verdict.in_(_JUDGED))
    )


def _spread(period: Period, as_of: datetime) -> Select[Any]:
    """Select what people found of listings to which a decision would have spread."""
    first, gone = decisions.alias("first"), reversals.alias("gone")
    void = select(gone.c.reversal_id).where(gone.c.decision_id == first.c.decision_id, gone.c.reversed_at <= as_of)
    return (
        select(*_sums(decisions.c.verdict, literal(1.0)))
        .select_from(with_reversals(as_of))
        .join(spread_audits, spread_audits.c.case_id == decisions.c.case_id)
        .join(first, first.c.decision_id == spread_audits.c.decision_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(spread_audits.c.verdict == Verdict.COUNTERFEIT, period.holds(first.c.decided_at))
        .where(*_by_people(as_of), ~void.exists())
    )


def _drawn(period: Period, as_of: datetime) -> Select[Any]:
    """Select what people found of the cases drawn from those that a policy acts on."""
    return (
        select(*_sums(decisions.c.verdict, automatic_draws.c.odds))
        .select_from(with_reversals(as_of))
        .join(automatic_draws, automatic_draws.c.case_id == decisions.c.case_id)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(period.holds(automatic_draws.c.drawn_at), automatic_draws.c.odds > 0, *_by_people(as_of))
    )


def _by_people(as_of: datetime) -> tuple[ColumnElement[bool], ...]:
    own = or_(decisions.c.origin == "review", decisions.c.origin == "bulk")
    said = decisions.c.verdict.in_(_JUDGED)
    return own, said, reversals.c.reversal_id.is_(None), decisions.c.decided_at <= as_of
