"""Precision: the share of counterfeit findings that people's last word confirms; every report and page counts by it.

A case counts if a person looked at it first; decisions by policy or spread would confirm themselves. The outcome is the
last verdict in force, whatever its origin: a granted appeal, a passed deadline or a contradicting second review makes
the first finding wrong and never removes the case. Sampled cases are weighted by one over their probability (Hajek
1971). Intervals are Wilson's at the effective number of reviews (Kish 1965).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select

from ipml.records import Verdict
from ipml.review.quality.rates import Rate, count_rate
from ipml.review.reversals import BY_APPEAL, by_people, is_last_verdict, is_verdict
from ipml.storage.tables import cases, decisions, notice_items, second_reviews, second_verdicts

_JUDGED = (Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)
BY_LOOKING = ("review", "bulk")
"""Origins of decisions by a person who looked at the case."""

_FIRST, _LAST = decisions.alias("first_look"), decisions.alias("last_word")


@dataclass(frozen=True, slots=True)
class WeightedReviews:
    """Sums over reviewed cases, each weighted by one over its sampling probability.

    `n` and `confirmed` count cases. `weight`, `hits` and `squares` sum the weights, those of confirmed cases, and their
    squares.

    >>> looks = WeightedReviews.of_equal(10, 9)
    >>> looks.rate().share, (looks + WeightedReviews(1, 0, 90.0, 0.0, 8100.0)).rate().share
    (0.9, 0.09)
    """

    n: int = 0
    confirmed: int = 0
    weight: float = 0.0
    hits: float = 0.0
    squares: float = 0.0

    @classmethod
    def of_equal(cls, n: int, confirmed: int) -> WeightedReviews:
        """Return the sums of cases with equal probability."""
        return cls(n, confirmed, float(n), float(confirmed), float(n))

    @classmethod
    def of_row(cls, sums: Any) -> WeightedReviews:
        """Return the sums of a `sum_reviews` row, whose sums over no rows are empty."""
        n, confirmed, *weighed = (one or 0 for one in sums)
        return cls(int(n), int(confirmed), *(float(one) for one in weighed))

    def __add__(self, other: WeightedReviews) -> WeightedReviews:
        return WeightedReviews(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def rate(self, at_once: int = 1) -> Rate | None:
        """Return the precision with its interval; None without cases. `at_once` is that of `count_rate`."""
        if not self.n:
            return None
        effective = self.weight**2 / self.squares
        return count_rate(self.hits / self.weight * effective, effective, at_once)


def sum_reviews(
    is_hit: ColumnElement[bool], sampling_probability: ColumnElement[Any]
) -> tuple[ColumnElement[Any], ...]:
    """Return the query columns for `WeightedReviews.of_row`."""
    hit, weight = case((is_hit, 1), else_=0), 1.0 / sampling_probability
    return func.count(), func.sum(hit), func.sum(weight), func.sum(hit * weight), func.sum(weight * weight)


def find_first_origin(case_id: ColumnElement[int]) -> ColumnElement[Any]:
    """Return the origin of the first verdict on a case, taken back or not; empty without one."""
    query = select(_FIRST.c.origin).where(_FIRST.c.case_id == case_id, _FIRST.c.verdict != Verdict.ESCALATE)
    return query.order_by(_FIRST.c.decision_id).limit(1).scalar_subquery()


@lru_cache(maxsize=32)
def is_last_word(by: datetime | None = None) -> ColumnElement[bool]:
    """Return the condition that a decision is the last word, as of `by`, on a case that a person looked at first."""
    return and_(is_last_verdict(by), by_people(), find_first_origin(decisions.c.case_id).in_(BY_LOOKING))


@lru_cache(maxsize=32)
def is_confirmed(by: datetime | None = None) -> ColumnElement[bool]:
    """Return the condition that a last word is counterfeit and no second review differs; "cannot tell" differs."""
    audited = second_verdicts.join(second_reviews, second_reviews.c.review_id == second_verdicts.c.review_id)
    otherwise = (
        select(second_verdicts.c.verdict_id)
        .select_from(audited)
        .where(second_reviews.c.decision_id == decisions.c.decision_id, second_reviews.c.kind == "audit")
        .where(*holds_on_audit(by), second_verdicts.c.verdict != Verdict.COUNTERFEIT)
    )
    return and_(decisions.c.verdict == Verdict.COUNTERFEIT, ~otherwise.exists())


def holds_on_audit(by: datetime | None = None) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that a second verdict judges the truth and was not withdrawn by a moment."""
    withdrawn_at = second_verdicts.c.withdrawn_at
    stays = withdrawn_at.is_(None) if by is None else or_(withdrawn_at.is_(None), withdrawn_at > by)
    is_given = () if by is None else (second_verdicts.c.decided_at <= by,)
    return second_verdicts.c.verdict.in_(_JUDGED), stays, *is_given


def is_audit_confirmed(by: datetime | None = None) -> ColumnElement[bool]:
    """Return the condition that a second verdict is counterfeit and the last word on its case does not contradict it.

    Rows are decisions with a second verdict each. A decision that was only taken back contradicts nothing.
    """
    last = select(_LAST.c.verdict).where(_LAST.c.case_id == decisions.c.case_id, _LAST.c.origin != "policy")
    last = last.where(*is_verdict(_LAST, by)).order_by(_LAST.c.decision_id.desc()).limit(1)
    said = func.coalesce(last.scalar_subquery(), Verdict.COUNTERFEIT.value)
    return and_(second_verdicts.c.verdict == Verdict.COUNTERFEIT, said == Verdict.COUNTERFEIT)


def tells_of_score() -> ColumnElement[bool]:
    """Return the condition that a last word shows whether a score was right.

    "Cannot tell" does not; a listing restored on appeal was wrongly found counterfeit.
    """
    return or_(decisions.c.verdict.in_([Verdict.COUNTERFEIT, Verdict.GENUINE]), decisions.c.origin.in_(BY_APPEAL))


def is_brought() -> ColumnElement[bool]:
    """Return the condition that a notice or a likeness brought a case, not its score or a draw.

    Rows are decisions with their cases. Such cases are counterfeit more often than others of their score.
    """
    judged = select(func.min(_FIRST.c.decided_at)).where(
        _FIRST.c.case_id == notice_items.c.case_id, _FIRST.c.verdict != Verdict.ESCALATE
    )
    noticed = select(notice_items.c.item_id).where(
        notice_items.c.case_id == cases.c.case_id, notice_items.c.noted_at <= judged.scalar_subquery()
    )
    by_likeness = cases.c.relisting_of.is_not(None)
    return and_(decisions.c.sampling_probability.is_(None), or_(by_likeness, noticed.exists()))


def shown_with() -> ColumnElement[Any]:
    """Return the probability with which a decided case was shown: 1 if for its score."""
    return func.coalesce(func.nullif(decisions.c.sampling_probability, 0.0), literal(1.0))
