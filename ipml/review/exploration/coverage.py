"""What of the listings that came by was reviewed: one row for each stratum of each file.

Of drawn cases only those count whose lot is below the lots of all that still wait: they were taken in a drawn order,
so that at any time they are a fair sample. A drawn case that somebody picked out before its turn counts when its turn
has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, or_, select

from ipml.records import Verdict
from ipml.review.exploration.weighting import Cell
from ipml.review.reversals import by_people, stands
from ipml.storage.tables import cases, decisions, sift_cases, sift_strata, sifts


@dataclass(frozen=True, slots=True)
class Stretch:
    """Places `first` to `last` in the order of suspicion of one file, and what was reviewed of them.

    Attributes
    ----------
    is_sure : bool
        Whether all are shown for their score.
    listings, shown : int
        How many there are, and how many became cases.
    odds, mean_score : float
        With which each became a case, and what the model expects of it.
    seen, counterfeit : int
        How many were reviewed, in whatever order, and found counterfeit.
    done, fair, fair_counterfeit : int
        How many cases count as taken in their turn; of these reviewed, and found counterfeit. Of a sure stretch all.
    """

    sift_id: int
    first: int
    last: int
    is_sure: bool
    listings: int
    shown: int
    odds: float
    mean_score: float
    seen: int = 0
    counterfeit: int = 0
    done: int = 0
    fair: int = 0
    fair_counterfeit: int = 0


def read_stretches(connection: Connection, *, since: datetime | None = None) -> list[Stretch]:
    """Return the strata of all files, or of those sifted since a moment; if sifted twice, the last time counts."""
    newest = select(func.max(sifts.c.sift_id)).group_by(sifts.c.file_digest)
    if since is not None:
        newest = newest.where(sifts.c.sifted_at >= since)
    reviewed = {(row.sift_id, row.stratum): row for row in connection.execute(_reviewed(newest))}
    columns = (*sift_strata.c, sifts.c.sure)
    query = select(*columns).join(sifts, sifts.c.sift_id == sift_strata.c.sift_id)
    query = query.where(sifts.c.sift_id.in_(newest)).order_by(sift_strata.c.sift_id, sift_strata.c.stratum)
    return [_stretch(row, reviewed.get((row.sift_id, row.stratum))) for row in connection.execute(query)]


def make_cells(stretches: Iterable[Stretch]) -> list[Cell]:
    """Return stretches as what the weighting reads.

    Examples
    --------
    >>> drawn = Stretch(1, 101, 1_100, False, 1_000, 20, 0.02, 0.1, seen=10, done=10, fair=10, fair_counterfeit=1)
    >>> make_cells([drawn])
    [Cell(listings=1000, mean_score=0.1, reviewed=10, counterfeit=1, waiting=0, weight=100.0)]
    """
    stretches = list(stretches)
    shares = reviewed_shares(stretches)
    return [_cell(stretch, shares.get(stretch.sift_id, 1.0)) for stretch in stretches]


def reviewed_shares(stretches: Sequence[Stretch]) -> dict[int, float]:
    """Return for each file from which listings were drawn what share of these has been reviewed in turn."""
    drawn: dict[int, int] = {}
    fair: dict[int, int] = {}
    for stretch in stretches:
        if not stretch.is_sure and stretch.shown:
            drawn[stretch.sift_id] = drawn.get(stretch.sift_id, 0) + stretch.shown
            fair[stretch.sift_id] = fair.get(stretch.sift_id, 0) + stretch.fair
    return {sift_id: fair[sift_id] / count for sift_id, count in drawn.items()}


def _cell(stretch: Stretch, share: float) -> Cell:
    if stretch.is_sure:
        waiting = stretch.listings - stretch.done
        return Cell(stretch.listings, stretch.mean_score, stretch.fair, stretch.fair_counterfeit, waiting)
    weight = 1 / (stretch.odds * share) if stretch.fair else 0.0
    return Cell(stretch.listings, stretch.mean_score, stretch.fair, stretch.fair_counterfeit, weight=weight)


def _reviewed(newest: Any) -> Any:
    """Return the query that counts the cases of each stratum by what became of them."""
    waits = exists().where(cases.c.case_id == sift_cases.c.case_id, cases.c.state == "open")
    turn = select(sift_cases.c.sift_id, func.min(sift_cases.c.lot).label("lot"))
    turn = turn.where(sift_cases.c.lot.is_not(None), waits)
    horizon = turn.group_by(sift_cases.c.sift_id).subquery("horizon")
    has_come = or_(sift_cases.c.lot.is_(None), horizon.c.lot.is_(None), sift_cases.c.lot < horizon.c.lot)
    is_known = decisions.c.verdict != Verdict.CANNOT_TELL.value
    is_counterfeit = decisions.c.verdict == Verdict.COUNTERFEIT.value
    joined = sift_cases.join(decisions, decisions.c.case_id == sift_cases.c.case_id)
    joined = joined.outerjoin(horizon, horizon.c.sift_id == sift_cases.c.sift_id)
    return (
        select(
            sift_cases.c.sift_id,
            sift_cases.c.stratum,
            _count(is_known).label("seen"),
            _count(is_counterfeit).label("counterfeit"),
            _count(has_come).label("done"),
            _count(and_(is_known, has_come)).label("fair"),
            _count(and_(is_counterfeit, has_come)).label("fair_counterfeit"),
        )
        .select_from(joined)
        .where(sift_cases.c.sift_id.in_(newest), decisions.c.verdict != Verdict.ESCALATE.value, stands())
        .where(by_people())
        .group_by(sift_cases.c.sift_id, sift_cases.c.stratum)
    )


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _stretch(row: Row[Any], reviewed: Row[Any] | None) -> Stretch:
    counts = ("seen", "counterfeit", "done", "fair", "fair_counterfeit")
    return Stretch(
        sift_id=row.sift_id,
        first=row.first,
        last=row.last,
        is_sure=row.last <= row.sure,
        listings=row.listings,
        shown=row.shown,
        odds=row.odds,
        mean_score=row.mean_score,
        **{name: int(getattr(reviewed, name)) if reviewed else 0 for name in counts},
    )
