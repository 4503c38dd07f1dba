"""How many of all listings are counterfeit, what share of these the queue holds, and how precise its order is.

Among the reviewed the share of counterfeits is that of what the model suspects. The estimates here are for *all*
listings that came by, from those reviewed and the odds with which they were shown; the naive figure stands beside each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine

from ipml.review.exploration.coverage import Stretch, make_cells, read_stretches, reviewed_shares
from ipml.review.exploration.exploration import DEPTHS
from ipml.review.exploration.weighting import Total, count_drawn, count_sure
from ipml.storage.database import reading


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure for all listings, with the ends of its 95 % interval.

    Attributes
    ----------
    name : str
        "prevalence", "recall of the queue" or "precision at 100".
    value, low, high : float or None
        None where too little was reviewed.
    naive : float or None
        The same among the reviewed only.
    reviews : int
        From how many reviewed listings.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    naive: float | None
    reviews: int


@dataclass(frozen=True, slots=True)
class Estimates:
    """Figures for all listings, and of what they are said.

    Attributes
    ----------
    files, listings : int
        How many files, and listings in them, the figures are about.
    uncovered : int
        Listings of files left out, since listings were drawn from them and none of these was reviewed.
    waiting : int
        Cases shown for their score that nobody has reviewed, and drawn ones that wait for a lead; the intervals allow
        for anything among them.
    drawn, drawn_reviewed : int
        How many listings were drawn from the rest of these files, and how many of them are reviewed in their turn.
    """

    figures: tuple[Figure, ...]
    files: int
    listings: int
    uncovered: int
    waiting: int
    drawn: int
    drawn_reviewed: int


def estimate(engine: Engine, *, since: datetime | None = None) -> Estimates:
    """Estimate prevalence, recall and precision for all listings that came by.

    Parameters
    ----------
    since : datetime, optional
        Only files that were sifted since then.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> estimate(engine).listings
    0
    """
    with reading(engine) as connection:
        return summarise(read_stretches(connection, since=since))


def summarise(stretches: Sequence[Stretch]) -> Estimates:
    """Return the figures from what was reviewed of each stratum."""
    unread = {sift_id for sift_id, share in reviewed_shares(stretches).items() if not share}
    covered = [stretch for stretch in stretches if stretch.sift_id not in unread]
    sure = [stretch for stretch in covered if stretch.is_sure]
    drawn = [stretch for stretch in covered if not stretch.is_sure]
    listings = sum(stretch.listings for stretch in covered)
    return Estimates(
        (
            _share("prevalence", covered, stretches),
            _recall(covered, stretches),
            *(_share(f"precision at {depth:,}", *_first(stretches, unread, depth)) for depth in DEPTHS),
        ),
        files=len({stretch.sift_id for stretch in covered}),
        listings=listings,
        uncovered=sum(stretch.listings for stretch in stretches) - listings,
        waiting=sum(stretch.listings - stretch.done for stretch in sure) + sum(stretch.held for stretch in drawn),
        drawn=sum(stretch.shown for stretch in drawn),
        drawn_reviewed=sum(stretch.fair for stretch in drawn),
    )


def _first(
    stretches: Sequence[Stretch], unread: Set[int], depth: int
) -> tuple[list[Stretch], list[Stretch], Sequence[Stretch]]:
    """Return the first so many listings of each file that has so many: of what can be said something, and of all.

    Where all of them are shown for their score, it does not matter whether the draws of the file were reviewed.
    """
    deep = {stretch.sift_id for stretch in stretches if stretch.last >= depth}
    first = [stretch for stretch in stretches if stretch.sift_id in deep and stretch.last <= depth]
    open_ended = unread & {stretch.sift_id for stretch in first if not stretch.is_sure}
    return [stretch for stretch in first if stretch.sift_id not in open_ended], first, stretches


def _share(
    name: str, chosen: Sequence[Stretch], reviewed: Sequence[Stretch], context: Sequence[Stretch] | None = None
) -> Figure:
    """Return the share of counterfeits among the chosen listings, and, naively, among the reviewed."""
    seen, found = sum(stretch.seen for stretch in reviewed), sum(stretch.counterfeit for stretch in reviewed)
    naive = found / seen if seen else None
    totals = _totals(chosen, context or reviewed)
    if totals is None or not any(stretch.seen for stretch in chosen):
        return Figure(name, None, None, None, naive, seen)
    total, listings = totals[0] + totals[1], sum(stretch.listings for stretch in chosen)
    return Figure(name, total.value / listings, total.low / listings, total.high / listings, naive, seen)


def _recall(chosen: Sequence[Stretch], reviewed: Sequence[Stretch]) -> Figure:
    """Return the share of all counterfeits that is among what was shown for its score."""
    name = "recall of the queue"
    seen, found = sum(stretch.seen for stretch in reviewed), sum(stretch.counterfeit for stretch in reviewed)
    naive = _found(reviewed, lambda stretch: stretch.is_sure) / found if found else None
    totals = _totals(chosen, reviewed)
    if totals is None or not any(stretch.counterfeit for stretch in chosen):
        return Figure(name, None, None, None, naive, seen)
    sure, rest = totals
    value = sure.value / (sure.value + rest.value) if sure.value + rest.value else 0.0
    low = sure.low / (sure.low + rest.high) if sure.low + rest.high else 0.0
    high = sure.high / (sure.high + rest.low) if sure.high + rest.low else 1.0
    return Figure(name, value, low, high, naive, seen)


def _found(stretches: Sequence[Stretch], chosen: Callable[[Stretch], bool]) -> int:
    return sum(stretch.counterfeit for stretch in stretches if chosen(stretch))


def _totals(chosen: Sequence[Stretch], all_of_them: Sequence[Stretch]) -> tuple[Total, Total] | None:
    """Return the counterfeits among what is shown for its score and among the rest; None if too few were reviewed."""
    cells = dict(zip(all_of_them, make_cells(all_of_them), strict=True))  # a file's weights hang on all of its draws
    sure = count_sure(cells[stretch] for stretch in chosen if stretch.is_sure)
    rest = count_drawn(cells[stretch] for stretch in chosen if not stretch.is_sure)
    return None if rest is None else (sure, rest)
