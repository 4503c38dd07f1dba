"""What of the listings that came by was reviewed: one row for each stratum of each file.

Of drawn cases only those count whose lot is below the lots of all that are still open: they were taken in a drawn
order, so that at any time they are a fair sample. A drawn case that somebody picked out before its turn counts when its
turn has come. One that was escalated waits: which cases people pass on depends on what they are, so that the others are
no fair sample, and the intervals allow for anything among those that wait. A case that waits once more, since a notice
brought it back, counts by its verdict until there is another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select, true

from ipml.records import Verdict
from ipml.review.exploration.weighting import Cell
from ipml.review.reversals import by_people, is_last_verdict, stands
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
        How many cases count as taken in their turn and decided; of these reviewed, and found counterfeit. Of a sure
        stretch all.
    held : int
        How many were taken in their turn and wait for a lead.
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
    held: int = 0


def read_stretches(
    connection: Connection, *, since: datetime | None = None, as_of: datetime | None = None
) -> list[Stretch]:
    """Return the strata of all files, or of those sifted since a moment; if sifted twice, the last time counts.

    Parameters
    ----------
    as_of : datetime, optional
        As things stood then: what was sifted, decided or taken back later does not count.
    """
    newest = select(func.max(sifts.c.sift_id)).group_by(sifts.c.file_digest)
    if since is not None:
        newest = newest.where(sifts.c.sifted_at >= since)
    if as_of is not None:
        newest = newest.where(sifts.c.sifted_at <= as_of)
    reviewed = {(row.sift_id, row.stratum): row for row in connection.execute(_reviewed(newest, as_of))}
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
    """Return for each file from which listings were drawn what share of these was taken in turn: reviewed, or held."""
    drawn: dict[int, int] = {}
    fair: dict[int, int] = {}
    for stretch in stretches:
        if not stretch.is_sure and stretch.shown:
            drawn[stretch.sift_id] = drawn.get(stretch.sift_id, 0) + stretch.shown
            fair[stretch.sift_id] = fair.get(stretch.sift_id, 0) + stretch.fair + stretch.held
    return {sift_id: fair[sift_id] / count for sift_id, count in drawn.items()}


def _cell(stretch: Stretch, share: float) -> Cell:
    if stretch.is_sure:
        waiting = stretch.listings - stretch.done
        return Cell(stretch.listings, stretch.mean_score, stretch.fair, stretch.fair_counterfeit, waiting)
    weight = 1 / (stretch.odds * share) if stretch.fair + stretch.held else 0.0
    return Cell(stretch.listings, stretch.mean_score, stretch.fair, stretch.fair_counterfeit, stretch.held, weight)


def _reviewed(newest: Any, as_of: datetime | None) -> Any:
    """Return the query that counts the cases of each stratum by what became of them."""
    drawn = sift_cases.join(cases, cases.c.case_id == sift_cases.c.case_id)
    turn = select(sift_cases.c.sift_id, func.min(sift_cases.c.lot).label("lot")).select_from(drawn)
    turn = turn.where(
        sift_cases.c.lot.is_not(None), sift_cases.c.sift_id.in_(newest), _waits(as_of), ~_is_passed_on(as_of)
    )
    horizon = turn.group_by(sift_cases.c.sift_id).subquery("horizon")
    has_come = or_(sift_cases.c.lot.is_(None), horizon.c.lot.is_(None), sift_cases.c.lot < horizon.c.lot)
    is_known = decisions.c.verdict != Verdict.CANNOT_TELL.value
    is_counterfeit = decisions.c.verdict == Verdict.COUNTERFEIT.value
    is_held = and_(sift_cases.c.lot.is_not(None), _waits(as_of), _is_passed_on(as_of))
    said = and_(decisions.c.case_id == sift_cases.c.case_id, is_last_verdict(as_of), by_people())
    joined = drawn.outerjoin(decisions, said).outerjoin(horizon, horizon.c.sift_id == sift_cases.c.sift_id)
    return (
        select(
            sift_cases.c.sift_id,
            sift_cases.c.stratum,
            _count(is_known).label("seen"),
            _count(is_counterfeit).label("counterfeit"),
            _count(and_(decisions.c.decision_id.is_not(None), has_come)).label("done"),
            _count(and_(is_known, has_come)).label("fair"),
            _count(and_(is_counterfeit, has_come)).label("fair_counterfeit"),
            _count(and_(is_held, has_come)).label("held"),
        )
        .select_from(joined)
        .where(sift_cases.c.sift_id.in_(newest))
        .group_by(sift_cases.c.sift_id, sift_cases.c.stratum)
    )


def _waits(as_of: datetime | None) -> ColumnElement[bool]:
    """Return the condition that there is no verdict on a case, and that there can be one: it was not erased."""
    is_there = cases.c.erased_at.is_(None) if as_of is None else func.coalesce(cases.c.erased_at > as_of, true())
    verdict = select(decisions.c.decision_id).where(decisions.c.case_id == cases.c.case_id, is_last_verdict(as_of))
    return and_(is_there, ~verdict.correlate(cases).exists())


def _is_passed_on(as_of: datetime | None) -> ColumnElement[bool]:
    """Return the condition that somebody escalated a case."""
    own = decisions.c.case_id == cases.c.case_id, decisions.c.verdict == Verdict.ESCALATE.value, stands(as_of)
    known = () if as_of is None else (decisions.c.decided_at <= as_of,)
    return select(decisions.c.decision_id).where(*own, *known).correlate(cases).exists()


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _stretch(row: Row[Any], reviewed: Row[Any] | None) -> Stretch:
    counts = ("seen", "counterfeit", "done", "fair", "fair_counterfeit", "held")
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
