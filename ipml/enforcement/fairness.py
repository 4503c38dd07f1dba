"""Fairness alarm: compares the rate of wrong takedowns of small and of new sellers with that of all others.

Two estimates of the wrongful-takedown rate, each limited: "reviewed again" (random audits and control cases; fair but
few, and second reviewers err) and "overturned" (all later reversals; biased towards sellers who appeal). The alarm
uses the first if both groups have enough, else the second. It compares small (or new) sellers with all others of known
size (or age), by the rate ratio with a 95 % interval on the log scale (Katz and others 1978, half a case added to each
count). The alarm needs a ratio above the policy's bound and an interval wholly above 1; "ok" needs enough decisions
that an alarm at the bound would show. Spread decisions do not count: they repeat one judgement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import exp, log, sqrt
from typing import Any

from sqlalchemy import BigInteger, Connection, and_, case, exists, func, or_, select, type_coerce

from ipml.enforcement.ledger import is_found_again
from ipml.enforcement.penalties.rules import LedgerRules
from ipml.enforcement.policy import UNKNOWN, Bands, EnforcementPolicy
from ipml.records import Verdict
from ipml.review.quality.rates import Rate, count_rate
from ipml.storage.tables import (
    control_cases,
    decisions,
    measure_stakes,
    measures,
    reversals,
    second_reviews,
    second_verdicts,
)

_Z = 1.959964
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Decisions judged again, and how many were wrong."""

    judged: int = 0
    wrong: int = 0

    def __add__(self, other: ErrorCounts) -> ErrorCounts:
        return ErrorCounts(self.judged + other.judged, self.wrong + other.wrong)

    def __str__(self) -> str:
        return f"{self.wrong:,} of {self.judged:,}"

    @property
    def rate(self) -> Rate | None:
        """Share of wrong decisions with Wilson's interval; None without decisions."""
        return count_rate(self.wrong, self.judged)


@dataclass(frozen=True, slots=True)
class GroupComparison:
    """Error rate of a group of sellers compared with all others.

    - `group`: "small sellers" or "new sellers".
    - `source`: "reviewed again" or "overturned".
    - `ratio`, `low`, `high`: ratio of the rates with its interval; None without decisions.
    - `state`: "alarm", "watch" (above the bound, but possibly chance), "ok" or "too few" decisions for a statement.
    """

    group: str
    source: str
    of_group: ErrorCounts
    of_rest: ErrorCounts
    ratio: float | None
    low: float | None
    high: float | None
    state: str

    @property
    def words(self) -> str:
        """The comparison in a sentence."""
        if self.ratio is None:
            return f"{self.group}: nothing to compare with yet."
        counts = f"{self.of_group} against {self.of_rest}"
        if not (self.of_group.wrong and self.of_rest.wrong):
            return f"{self.group}: {counts} {self.source}; too few errors for a ratio."
        times = f"{self.ratio:.2f} times ({self.low:.2f} to {self.high:.2f}) as often wronged as the others"
        return f"{self.group}: {times}, {counts} {self.source}."


def find_alarms(connection: Connection, policy: EnforcementPolicy) -> list[GroupComparison]:
    """Compare the error rates of small and of new sellers with those of all others, by the better source."""
    rules = policy.penalties.ledger
    groups = (
        ("small sellers", measure_stakes.c.size_band, Bands(rules.size_bands).first),
        ("new sellers", measure_stakes.c.age_band, Bands(rules.age_bands).first),
    )
    comparisons = []
    for name, column, first in groups:
        rows = connection.execute(_select_counts(column, rules)).all()
        reviewed_again = _split(rows, first, "reviewed_again", "reviewed_again_wrong")
        by_second_reviews = compare(name, "reviewed again", *reviewed_again, rules)
        by_reversals = compare(name, "overturned", *_split(rows, first, "decided", "overturned"), rules)
        comparisons.append(by_reversals if by_second_reviews.state == "too few" else by_second_reviews)
    return comparisons


@dataclass(frozen=True, slots=True)
class BandErrors:
    """Takedowns of sellers of one size judged again; `source` is "reviewed again" or "decided, overturned later"."""

    band: str
    source: str
    judged: int
    wrong: int


def list_error_rates(
    connection: Connection, policy: EnforcementPolicy, start: datetime, end: datetime
) -> list[BandErrors]:
    """Return the error rates of decisions made in a period by size of seller, smallest first.

    They come from decisions reviewed again if there are any, else from overturned ones.
    """
    rules = policy.penalties.ledger
    query = _select_counts(measure_stakes.c.size_band, rules)
    rows = connection.execute(query.where(decisions.c.decided_at >= start, decisions.c.decided_at < end)).all()
    order = {name: place for place, name in enumerate(Bands(rules.size_bands).names)}
    rows = sorted(rows, key=lambda row: order.get(row.band, len(order)))
    if any(row.reviewed_again for row in rows):
        return [BandErrors(row.band, "reviewed again", row.reviewed_again, row.reviewed_again_wrong) for row in rows]
    return [BandErrors(row.band, "decided, overturned later", row.decided, row.overturned) for row in rows]


def compare(
    group: str, source: str, of_group: ErrorCounts, of_rest: ErrorCounts, rules: LedgerRules
) -> GroupComparison:
    """Compare two error rates.

    >>> found = compare("small sellers", "overturned", ErrorCounts(400, 40), ErrorCounts(4000, 100), LedgerRules())
    >>> found.state, found.words
    ('alarm', 'small sellers: 4.0... times (2.8... to 5.7...) as often wronged as the others, 40 of 400 against ...')
    """
    if not (of_group.judged and of_rest.judged):
        return GroupComparison(group, source, of_group, of_rest, None, None, None, "too few")
    ratio, low, high = _find_ratio(of_group, of_rest)
    is_enough = min(of_group.judged, of_rest.judged) >= rules.least_judged
    state = _name_state(of_group, of_rest, ratio, low, rules) if is_enough else "too few"
    return GroupComparison(group, source, of_group, of_rest, ratio, low, high, state)


def _name_state(of_group: ErrorCounts, of_rest: ErrorCounts, ratio: float, low: float, rules: LedgerRules) -> str:
    at_the_bound = of_rest.wrong / of_rest.judged * rules.alarm_ratio * of_group.judged
    would_be_seen = at_the_bound >= rules.least_wrong
    if ratio <= rules.alarm_ratio:
        return "ok" if would_be_seen else "too few"
    if of_group.wrong >= rules.least_wrong:
        return "alarm" if low > 1 else "watch"
    return "watch" if low > 1 or would_be_seen else "too few"


def _find_ratio(of_group: ErrorCounts, of_rest: ErrorCounts) -> tuple[float, float, float]:
    wrong = (of_group.wrong + _HALF, of_rest.wrong + _HALF)
    judged = (of_group.judged + _HALF, of_rest.judged + _HALF)
    ratio = wrong[0] / judged[0] / (wrong[1] / judged[1])
    spread = sqrt(max(1 / wrong[0] - 1 / judged[0] + 1 / wrong[1] - 1 / judged[1], 0.0))
    return ratio, exp(log(ratio) - _Z * spread), exp(log(ratio) + _Z * spread)


def _split(rows: Iterable[Any], first: str, judged: str, wrong: str) -> tuple[ErrorCounts, ErrorCounts]:
    """Return the counts in two columns of the first band, and of all others that are known."""
    of_group, of_rest = ErrorCounts(), ErrorCounts()
    for row in rows:
        counts = ErrorCounts(getattr(row, judged) or 0, getattr(row, wrong) or 0)
        if row.band == first:
            of_group += counts
        elif row.band != UNKNOWN:
            of_rest += counts
    return of_group, of_rest


def _select_counts(band: Any, rules: LedgerRules) -> Any:
    one_each = select(measures.c.decision_id, func.min(measures.c.measure_id).label("measure_id"))
    firsts = one_each.group_by(measures.c.decision_id).subquery()
    reversed_at, decided_at = (
        type_coerce(moment, BigInteger) for moment in (reversals.c.reversed_at, decisions.c.decided_at)
    )
    is_overturned = and_(reversed_at - decided_at > int(rules.soon_minutes * 60e6), ~is_found_again())
    its_second_review = and_(
        second_reviews.c.case_id == decisions.c.case_id, second_reviews.c.decision_id == decisions.c.decision_id
    )
    is_audit = (its_second_review, second_reviews.c.kind == "audit", second_verdicts.c.withdrawn_at.is_(None))
    audits = exists().where(second_reviews.c.review_id == second_verdicts.c.review_id, *is_audit)
    truths = exists().where(control_cases.c.case_id == decisions.c.case_id, control_cases.c.removed_at.is_(None))
    says_genuine = audits.where(second_verdicts.c.verdict == Verdict.GENUINE)
    judges = audits.where(second_verdicts.c.verdict.in_([Verdict.GENUINE, Verdict.COUNTERFEIT]))
    was_reviewed_again = or_(judges, truths)
    was_wrong = or_(says_genuine, truths.where(control_cases.c.truth == Verdict.GENUINE))
    return (
        select(
            band.label("band"),
            func.count().label("decided"),
            _count_if(is_overturned).label("overturned"),
            _count_if(was_reviewed_again).label("reviewed_again"),
            _count_if(was_wrong).label("reviewed_again_wrong"),
        )
        .select_from(firsts)
        .join(measure_stakes, measure_stakes.c.measure_id == firsts.c.measure_id)
        .join(decisions, decisions.c.decision_id == firsts.c.decision_id)
        .join(reversals, reversals.c.decision_id == decisions.c.decision_id, isouter=True)
        .where(decisions.c.origin != "spread", decisions.c.verdict == Verdict.COUNTERFEIT)
        .group_by(band)
    )


def _count_if(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))
