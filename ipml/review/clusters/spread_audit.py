"""How far spread decisions can be relied on: some of the cases are drawn by lot, and a person looks at them.

They come up like any other case; whoever reviews them is not told that the verdict on another would have spread to
them.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, and_, func, select

from ipml.records import Verdict
from ipml.review.quality.rates import count_rate
from ipml.review.reversals import is_last_verdict, stands
from ipml.review.snapshot import digest
from ipml.storage.database import reading
from ipml.storage.tables import decisions, reversals, spread_audits


@dataclass(frozen=True, slots=True)
class SpreadPrecision:
    """How often people find, of cases drawn from spreads, what the spread would have said.

    Attributes
    ----------
    n_spread : int
        Decisions that came by spread and stand.
    n_drawn, n_reviewed, n_agreeing : int
        Cases drawn instead; those of them that people found counterfeit or genuine; those as the spread had it.
    precision, low, high : float or None
        n_agreeing / n_reviewed with its 95 % interval (Wilson 1927); None where nothing was reviewed.
    """

    n_spread: int
    n_drawn: int
    n_reviewed: int
    n_agreeing: int
    precision: float | None = None
    low: float | None = None
    high: float | None = None


def is_drawn(decision_id: int, case_id: int, share: float) -> bool:
    """Say whether a case to which a decision would spread stays open for a person to look at.

    Drawn with the probability `share`, and the same again for the same numbers.

    Examples
    --------
    >>> 450 < sum(is_drawn(7, case_id, 0.05) for case_id in range(1, 10_001)) < 550
    True
    """
    lot = int(digest(f"spread {decision_id} to {case_id}")[:13], 16) / 16**13
    return lot < share


def measure_spread(engine: Engine) -> SpreadPrecision:
    """Return what people found of the cases drawn, as far as both decisions stand.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> measure_spread(engine)
    SpreadPrecision(n_spread=0, n_drawn=0, n_reviewed=0, n_agreeing=0, precision=None, low=None, high=None)
    """
    spread = select(func.count()).select_from(decisions).where(decisions.c.origin == "spread", stands())
    taken_back = select(reversals.c.reversal_id).where(reversals.c.decision_id == spread_audits.c.decision_id)
    found = and_(
        decisions.c.case_id == spread_audits.c.case_id,
        decisions.c.verdict.in_([Verdict.COUNTERFEIT, Verdict.GENUINE]),
        is_last_verdict(),
    )
    query = select(
        func.count(),
        func.count(decisions.c.decision_id),
        func.count().filter(decisions.c.verdict == spread_audits.c.verdict),
    ).select_from(spread_audits.outerjoin(decisions, found))
    with reading(engine) as connection:
        n_spread = connection.scalar(spread) or 0
        n_drawn, n_reviewed, n_agreeing = connection.execute(query.where(~taken_back.exists())).one()
    rate = count_rate(n_agreeing, n_reviewed)
    interval = (rate.share, rate.low, rate.high) if rate else ()
    return SpreadPrecision(n_spread, n_drawn, n_reviewed, n_agreeing, *interval)
