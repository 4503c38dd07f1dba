"""Whether small or new sellers are wronged more often than the others.

Wronged is a seller whose listing was decided counterfeit and should not have been. How often that happens is known from
two sides, and each says less than one would like:

- **looked again**: decisions drawn by lot for an audit, or on cases whose truth is known, and how many the second look
  calls genuine. The draw knows nothing of the seller, so it is fair; but it is small, and the second look may err.
- **overturned**: decisions taken back later than within minutes. Of all decisions, but only those to which somebody
  objected: sellers who know how to appeal are seen more often.

The alarm goes by the first where both groups have enough of it, else by the second. It compares the rate of the small
(or new) with that of all others whose size (or age) is known; the ratio has a 95 % interval on the log scale (Katz and
others 1978, with half a case added to each count). There is an alarm where the ratio is above the policy's bound and
the whole interval above 1: not for what may be chance. All is well only where the ratio is within the bound and the
errors were many enough for an alarm, had it been at the bound; else they are too few to say. Decisions that were spread
to copies are not counted: they are one judgement.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Any

from sqlalchemy import BigInteger, Engine, and_, case, exists, func, or_, select, type_coerce

from ipml.enforcement.bands import UNKNOWN, Bands
from ipml.enforcement.ledger.costs import is_found_again
from ipml.enforcement.penalties.rules import LedgerRules
from ipml.enforcement.policy import EnforcementPolicy
from ipml.records import Verdict
from ipml.review.quality.rates import Rate, count_rate
from ipml.storage.database import reading
from ipml.storage.tables import decisions, goldens, looks, measure_stakes, measures, opinions, reversals

_Z = 1.959964
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Counts:
    """Decisions judged again, and how many of them were wrong."""

    judged: int = 0
    wrong: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.judged + other.judged, self.wrong + other.wrong)

    def __str__(self) -> str:
        return f"{self.wrong:,} of {self.judged:,}"

    @property
    def rate(self) -> Rate | None:
        """The share with Wilson's interval; None of nothing."""
        return count_rate(self.wrong, self.judged)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One group of sellers beside the rest.

    Attributes
    ----------
    group : str
        "small sellers" or "new sellers".
    source : str
        "looked again" or "overturned".
    of_group, of_rest : Counts
    ratio, low, high : float or None
        How many times more often the group is wronged; None of nothing.
    state : str
        "alarm", "watch" (above the bound, but it may be chance), "ok" or "too few" (to say anything).
    """

    group: str
    source: str
    of_group: Counts
    of_rest: Counts
    ratio: float | None
    low: float | None
    high: float | None
    state: str

    @property
    def words(self) -> str:
        """It in a sentence."""
        if self.ratio is None:
            return f"{self.group}: nothing to compare with yet."
        counts = f"{self.of_group} against {self.of_rest}"
        times = f"{self.ratio:.2f} times ({self.low:.2f} to {self.high:.2f}) as often wronged as the others"
        return f"{self.group}: {times}, {counts} {self.source}."


def find_alarms(engine: Engine, policy: EnforcementPolicy) -> list[Comparison]:
    """Return how often small and new sellers are wronged beside the others, by the better of the two sources.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> [(found.group, found.state) for found in find_alarms(engine, load_enforcement_policy())]
    [('small sellers', 'too few'), ('new sellers', 'too few')]
    """
    rules = policy.penalties.ledger
    groups = (
        ("small sellers", measure_stakes.c.size_band, Bands(rules.size_bands).first),
        ("new sellers", measure_stakes.c.age_band, Bands(rules.age_bands).first),
    )
    found = []
    with reading(engine) as connection:
        for name, column, first in groups:
            rows = connection.execute(_select_counts(column, rules)).all()
            looked, overturned = (_split(rows, first, source) for source in ("looked", "overturned"))
            by_looks = compare(name, "looked again", *looked, rules)
            by_reversals = compare(name, "overturned", *overturned, rules)
            found.append(by_reversals if by_looks.state == "too few" else by_looks)
    return found


def compare(group: str, source: str, of_group: Counts, of_rest: Counts, rules: LedgerRules) -> Comparison:
    """Compare two rates.

    Examples
    --------
    >>> found = compare("small sellers", "overturned", Counts(400, 40), Counts(4000, 100), LedgerRules())
    >>> found.state, found.words
    ('alarm', 'small sellers: 4.0... times (2.8... to 5.7...) as often wronged as the others, 40 of 400 against ...')
    """
    if not (of_group.judged and of_rest.judged):
        return Comparison(group, source, of_group, of_rest, None, None, None, "too few")
    ratio, low, high = _find_ratio(of_group, of_rest)
    is_enough = min(of_group.judged, of_rest.judged) >= rules.least_judged
    state = _judge(of_group, of_rest, ratio, low, rules) if is_enough else "too few"
    return Comparison(group, source, of_group, of_rest, ratio, low, high, state)


def _judge(of_group: Counts, of_rest: Counts, ratio: float, low: float, rules: LedgerRules) -> str:
    """Name the state of a comparison of which enough was judged."""
    at_the_bound = of_rest.wrong / of_rest.judged * rules.alarm_ratio * of_group.judged
    would_be_seen = at_the_bound >= rules.least_wrong
    if ratio <= rules.alarm_ratio:
        return "ok" if would_be_seen else "too few"
    if of_group.wrong >= rules.least_wrong:
        return "alarm" if low > 1 else "watch"
    return "watch" if low > 1 or would_be_seen else "too few"


def _find_ratio(of_group: Counts, of_rest: Counts) -> tuple[float, float, float]:
    wrong = (of_group.wrong + _HALF, of_rest.wrong + _HALF)
    judged = (of_group.judged + _HALF, of_rest.judged + _HALF)
    ratio = wrong[0] / judged[0] / (wrong[1] / judged[1])
    spread = sqrt(max(1 / wrong[0] - 1 / judged[0] + 1 / wrong[1] - 1 / judged[1], 0.0))
    return ratio, exp(log(ratio) - _Z * spread), exp(log(ratio) + _Z * spread)


def _split(rows: Iterable[Any], first: str, source: str) -> tuple[Counts, Counts]:
    of_group, of_rest = Counts(), Counts()
    for row in rows:
        judged = row.looked if source == "looked" else row.decided
        counts = Counts(judged or 0, (row.looked_wrong if source == "looked" else row.overturned) or 0)
        if row.band == first:
            of_group += counts
        elif row.band != UNKNOWN:
            of_rest += counts
    return of_group, of_rest


def _select_counts(band: Any, rules: LedgerRules) -> Any:
    """Return the query for decisions, those overturned, and those looked at again, by band."""
    one_each = select(measures.c.decision_id, func.min(measures.c.measure_id).label("measure_id"))
    firsts = one_each.group_by(measures.c.decision_id).subquery()
    reversed_at, decided_at = (
        type_coerce(one, BigInteger) for one in (reversals.c.reversed_at, decisions.c.decided_at)
    )
    is_overturned = and_(reversed_at - decided_at > int(rules.soon_minutes * 60e6), ~is_found_again())
    its_look = and_(looks.c.case_id == decisions.c.case_id, looks.c.decision_id == decisions.c.decision_id)
    said = (its_look, looks.c.kind == "audit", opinions.c.withdrawn_at.is_(None))
    audits = exists().where(looks.c.look_id == opinions.c.look_id, *said)
    truths = exists().where(goldens.c.case_id == decisions.c.case_id, goldens.c.removed_at.is_(None))
    says_genuine = audits.where(opinions.c.verdict == Verdict.GENUINE)
    judges = audits.where(opinions.c.verdict.in_([Verdict.GENUINE, Verdict.COUNTERFEIT]))
    was_looked = or_(judges, truths)
    was_wrong = or_(says_genuine, truths.where(goldens.c.truth == Verdict.GENUINE))
    return (
        select(
            band.label("band"),
            func.count().label("decided"),
            _count_if(is_overturned).label("overturned"),
            _count_if(was_looked).label("looked"),
            _count_if(was_wrong).label("looked_wrong"),
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
