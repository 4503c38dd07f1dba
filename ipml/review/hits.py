"""How right the order of the queue was: of what people looked at, how much was counterfeit, by score."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, case, func, select

from ipml.records import Verdict
from ipml.review.quality.rates import count_rate
from ipml.review.reversals import by_people, is_last_verdict
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions

LOWEST_SCORES = (0.95, 0.9, 0.8, 0.6, 0.4, 0.2, 0.0)
_MOST_JUDGED = 2_000


@dataclass(frozen=True, slots=True)
class Hits:
    """How much of what was judged in a band of scores was counterfeit.

    Attributes
    ----------
    low, high : float or None
        The band; None where the model gave no score.
    judged, counterfeit : int
        Cases with the verdict counterfeit or genuine, and how many of them were counterfeit.
    """

    low: float | None
    high: float | None
    judged: int
    counterfeit: int

    @property
    def share(self) -> float:
        """Return the share of counterfeits."""
        return self.counterfeit / self.judged

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the share."""
        rate = count_rate(self.counterfeit, self.judged)
        return (rate.low, rate.high) if rate else (0.0, 1.0)


def measure_hits(engine: Engine, most: int = _MOST_JUDGED) -> tuple[Hits, ...]:
    """Return the share of counterfeits among the latest cases judged, by score, the highest band first.

    It says how right the queue is on what it shows first: cases drawn at random do not count.

    Parameters
    ----------
    most : int, default=2000
        Verdicts looked at, the latest; bands without any are left out.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bag = ScoredListing(Listing("A7", "s1", "Bag, mirror quality"), 0.9, 2.2, (), (), None, "2024-05")
    >>> _ = enqueue(engine, [bag])
    >>> _ = decide(engine, claim(engine, "ana"), Verdict.COUNTERFEIT, ground="declared_replica")
    >>> measure_hits(engine)
    (Hits(low=0.9, high=0.95, judged=1, counterfeit=1),)
    """
    latest = (
        select(decisions.c.case_id, decisions.c.verdict)
        .where(decisions.c.verdict.in_([Verdict.COUNTERFEIT, Verdict.GENUINE]), decisions.c.lane == "ranked")
        .where(is_last_verdict(), by_people())
        .order_by(decisions.c.decision_id.desc())
        .limit(most)
        .subquery()
    )
    bands = [(cases.c.score >= low, number) for number, low in enumerate(LOWEST_SCORES)]
    band = case(*bands, else_=len(LOWEST_SCORES)).label("band")
    counterfeit = func.count().filter(latest.c.verdict == Verdict.COUNTERFEIT)
    query = (
        select(band, func.count(), counterfeit)
        .select_from(latest.join(cases, cases.c.case_id == latest.c.case_id))
        .group_by(band)
        .order_by(band)
    )
    with reading(engine) as connection:
        return tuple(Hits(*_bounds(number), judged, found) for number, judged, found in connection.execute(query))


def _bounds(number: int) -> tuple[float | None, float | None]:
    if number == len(LOWEST_SCORES):
        return None, None
    return LOWEST_SCORES[number], (1.0, *LOWEST_SCORES)[number]
