"""Estimates: prevalence, recall of the queue and precision of its order, for all listings that came by.

Reviewed listings alone show the share among the model's suspects; this naive figure is reported beside each estimate.
Each reviewed draw represents 1 / sampling probability listings (Horvitz and Thompson 1952; scaled as in Hájek 1971).
Intervals are Wilson's with the effective number of reviews (Franco et al. 2019, "Comparative study of confidence
intervals for proportions in complex sample surveys"). Their variance uses the mean of a group's observed and expected
share, since a group without counterfeits would get none; expectations widen intervals and move no value. A draw counts
once its turn in random order has come, so reviewed draws are a fair sample at any time. Escalated draws wait; a
reopened case counts by its verdict until the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select, true

from ipml.records import Verdict
from ipml.review.quality.rates import count_rate
from ipml.review.reversals import by_people, is_last_verdict, stands
from ipml.review.sampling.exploration import DEPTHS
from ipml.storage.tables import cases, decisions, sample_cases, sample_strata, samples, stream_strata

LEAST_DRAWS = 10
"""Least number of reviewed draws for an estimate on listings that were not shown."""

_DRAWS_PER_GROUP = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """Review results of one stratum of one file.

    `mean_score` is the model's expectation. `reviewed` counts counterfeit and genuine verdicts. `waiting` counts cases
    still to be reviewed: in a sure stratum all others, else draws that wait for a lead. A reviewed draw represents
    `weight` listings; None if the stratum is shown in full.
    """

    listings: int
    mean_score: float
    reviewed: int
    counterfeit: int
    waiting: int = 0
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """Number of counterfeit listings with its 95 % interval."""

    value: float
    low: float
    high: float

    def __add__(self, other: Total) -> Total:
        return Total(self.value + other.value, self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class _Group:
    """Cells of neighbouring scores, merged so that each group has enough draws."""

    listings: int
    mean_score: float
    reviews: float  # effective number of reviews
    share: float
    unseen: float  # share of listings not reviewed


def count_sure(cells: Iterable[Cell]) -> Total:
    """Return the number of counterfeits among listings shown for their score.

    For unreviewed ones the value takes the share of the reviewed in the same stratum, and the interval any number: the
    reviewed are those that came first, not a fair sample.

    >>> count_sure([Cell(100, 0.9, reviewed=80, counterfeit=60, waiting=20)])
    Total(value=75.0, low=60.0, high=80.0)
    """
    total = Total(0.0, 0.0, 0.0)
    for cell in cells:
        share = cell.counterfeit / cell.reviewed if cell.reviewed else cell.mean_score
        known = (cell.listings - cell.waiting) * share
        total += Total(cell.listings * share, known, known + cell.waiting)
    return total


def count_drawn(cells: Iterable[Cell]) -> Total | None:
    """Return the number of counterfeits among listings that were sampled; None if too few were reviewed.

    The value is that of the reviewed draws. The interval allows for any outcome of the waiting ones (Manski 1989):
    doubtful cases wait for a lead, so the reviewed draws alone are no fair sample.

    >>> cells = [Cell(1_000, 0.3, reviewed=20, counterfeit=5, weight=50.0), Cell(9_000, 0.01, 20, 0, weight=450.0)]
    >>> total = count_drawn(cells)
    >>> round(total.value), round(total.low), round(total.high)
    (250, 57, 1022)
    """
    cells = list(cells)
    if not sum(cell.listings for cell in cells):
        return Total(0.0, 0.0, 0.0)
    if sum(cell.reviewed for cell in cells) < LEAST_DRAWS:
        return None
    totals = [_total(_groups(taken), _expect(taken)) for taken in _fill_in(cells)]
    return Total(totals[0].value, min(total.low for total in totals), max(total.high for total in totals))


def _fill_in(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Yield the cells as reviewed, and, if draws wait, with none and with all of these counterfeit."""
    yield [replace(cell, waiting=0) for cell in cells]
    if any(cell.waiting for cell in cells):
        for share in (0, 1):
            yield [
                replace(
                    cell,
                    reviewed=cell.reviewed + cell.waiting,
                    counterfeit=cell.counterfeit + share * cell.waiting,
                    waiting=0,
                )
                for cell in cells
            ]


def _groups(cells: Sequence[Cell]) -> list[_Group]:
    groups: list[list[Cell]] = [[]]
    for cell in sorted(cells, key=lambda cell: -cell.mean_score):
        if sum(one.reviewed for one in groups[-1]) >= _DRAWS_PER_GROUP:
            groups.append([])
        groups[-1].append(cell)
    if len(groups) > 1 and sum(one.reviewed for one in groups[-1]) < _DRAWS_PER_GROUP:
        last = groups.pop()
        groups[-1] += last
    return [_group(group) for group in groups]


def _group(cells: Sequence[Cell]) -> _Group:
    listings = sum(cell.listings for cell in cells)
    weights = sum((cell.weight or 0.0) * cell.reviewed for cell in cells)
    squares = sum((cell.weight or 0.0) ** 2 * cell.reviewed for cell in cells)
    found = sum((cell.weight or 0.0) * cell.counterfeit for cell in cells)
    expected = sum(cell.mean_score * cell.listings for cell in cells)
    unseen = max(0.0, 1 - sum(cell.reviewed for cell in cells) / listings)
    return _Group(listings, expected / listings, weights**2 / squares, found / weights, unseen)


def _expect(cells: Sequence[Cell]) -> Callable[[_Group], float]:
    """Return the function for a group's expected share: the model's, scaled to all findings, at least 1 / reviewed."""
    reviewed = sum(cell.reviewed for cell in cells)
    expected = sum(cell.reviewed * cell.mean_score for cell in cells)
    correction = (sum(cell.counterfeit for cell in cells) + 1) / (expected + 1)
    return lambda group: min(1.0, max(group.mean_score * correction, 1 / reviewed))


def _total(groups: Sequence[_Group], expect: Callable[[_Group], float]) -> Total:
    listings = sum(group.listings for group in groups)
    value = mean = variance = 0.0
    for group in groups:
        part = group.listings / listings
        share = (group.share + expect(group)) / 2
        value += part * group.share
        mean += part * share
        variance += part**2 * share * (1 - share) / group.reviews * group.unseen
    if not variance:
        return Total(value * listings, value * listings, value * listings)
    reviews = mean * (1 - mean) / variance
    rate = count_rate(value * reviews, reviews)
    assert rate is not None  # reviews exist if shares vary
    return Total(value * listings, rate.low * listings, rate.high * listings)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Review results of places `first` to `last` in a file's order of suspicion.

    Stretches of a stream are score bands of one day; their places are 0. `is_sure` means all are shown for their score.

    Attributes
    ----------
    listings, shown : int
        Number of listings, and of those that became cases.
    sampling_probability, mean_score : float
        Probability of becoming a case, and the model's expectation.
    seen, counterfeit : int
        Number reviewed in any order, and found counterfeit.
    done, fair, fair_counterfeit : int
        Number of cases decided in their turn; of these reviewed, and found counterfeit. A sure stretch counts all.
    held : int
        Number taken in their turn that wait for a lead.
    """

    sample_id: int
    first: int
    last: int
    is_sure: bool
    listings: int
    shown: int
    sampling_probability: float
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
    """Return the strata of all files and stream days, or of those sampled since a moment.

    A file sampled twice counts as sampled last. With `as_of`, later samples, decisions and reversals do not count.
    """
    newest = select(func.max(samples.c.sample_id)).group_by(samples.c.file_digest)
    if since is not None:
        newest = newest.where(samples.c.drawn_at >= since)
    if as_of is not None:
        newest = newest.where(samples.c.drawn_at <= as_of)
    reviewed = {(row.sample_id, row.stratum): row for row in connection.execute(_reviewed(newest, as_of))}
    columns = (*sample_strata.c, samples.c.sure)
    query = select(*columns).join(samples, samples.c.sample_id == sample_strata.c.sample_id)
    query = query.where(samples.c.sample_id.in_(newest)).order_by(sample_strata.c.sample_id, sample_strata.c.stratum)
    of_files = [_stretch(row, reviewed.get((row.sample_id, row.stratum))) for row in connection.execute(query)]
    of_streams = select(stream_strata).where(stream_strata.c.sample_id.in_(newest))
    of_streams = of_streams.order_by(stream_strata.c.sample_id, stream_strata.c.stratum)
    return of_files + [
        _stretch_of_stream(row, reviewed.get((row.sample_id, row.stratum))) for row in connection.execute(of_streams)
    ]


def make_cells(stretches: Iterable[Stretch]) -> list[Cell]:
    """Return stretches as weighted cells.

    >>> drawn = Stretch(1, 101, 1_100, False, 1_000, 20, 0.02, 0.1, seen=10, done=10, fair=10, fair_counterfeit=1)
    >>> make_cells([drawn])
    [Cell(listings=1000, mean_score=0.1, reviewed=10, counterfeit=1, waiting=0, weight=100.0)]
    """
    stretches = list(stretches)
    shares = _reviewed_shares(stretches)
    return [_cell(stretch, shares.get(stretch.sample_id, 1.0)) for stretch in stretches]


def _reviewed_shares(stretches: Sequence[Stretch]) -> dict[int, float]:
    """Return, for each sampled file, the share of draws that were reviewed or held in turn."""
    drawn: dict[int, int] = {}
    fair: dict[int, int] = {}
    for stretch in stretches:
        if not stretch.is_sure and stretch.shown:
            drawn[stretch.sample_id] = drawn.get(stretch.sample_id, 0) + stretch.shown
            fair[stretch.sample_id] = fair.get(stretch.sample_id, 0) + stretch.fair + stretch.held
    return {sample_id: fair[sample_id] / count for sample_id, count in drawn.items()}


def _cell(stretch: Stretch, share: float) -> Cell:
    if stretch.is_sure:
        waiting = stretch.listings - stretch.done
        return Cell(stretch.listings, stretch.mean_score, stretch.fair, stretch.fair_counterfeit, waiting)
    weight = 1 / (stretch.sampling_probability * share) if stretch.fair + stretch.held else 0.0
    return Cell(stretch.listings, stretch.mean_score, stretch.fair, stretch.fair_counterfeit, stretch.held, weight)


def _reviewed(newest: Any, as_of: datetime | None) -> Any:
    """Return the query that counts each stratum's cases by outcome."""
    drawn = sample_cases.join(cases, cases.c.case_id == sample_cases.c.case_id)
    turn = select(sample_cases.c.sample_id, func.min(sample_cases.c.random_order).label("random_order")).select_from(
        drawn
    )
    turn = turn.where(
        sample_cases.c.random_order.is_not(None),
        sample_cases.c.sample_id.in_(newest),
        _waits(as_of),
        ~_is_passed_on(as_of),
    )
    horizon = turn.group_by(sample_cases.c.sample_id).subquery("horizon")
    has_come = or_(
        sample_cases.c.random_order.is_(None),
        horizon.c.random_order.is_(None),
        sample_cases.c.random_order < horizon.c.random_order,
    )
    is_known = decisions.c.verdict != Verdict.CANNOT_TELL.value
    is_counterfeit = decisions.c.verdict == Verdict.COUNTERFEIT.value
    is_held = and_(sample_cases.c.random_order.is_not(None), _waits(as_of), _is_passed_on(as_of))
    said = and_(decisions.c.case_id == sample_cases.c.case_id, is_last_verdict(as_of), by_people())
    joined = drawn.outerjoin(decisions, said).outerjoin(horizon, horizon.c.sample_id == sample_cases.c.sample_id)
    return (
        select(
            sample_cases.c.sample_id,
            sample_cases.c.stratum,
            _count(is_known).label("seen"),
            _count(is_counterfeit).label("counterfeit"),
            _count(and_(decisions.c.decision_id.is_not(None), has_come)).label("done"),
            _count(and_(is_known, has_come)).label("fair"),
            _count(and_(is_counterfeit, has_come)).label("fair_counterfeit"),
            _count(and_(is_held, has_come)).label("held"),
        )
        .select_from(joined)
        .where(sample_cases.c.sample_id.in_(newest))
        .group_by(sample_cases.c.sample_id, sample_cases.c.stratum)
    )


def _waits(as_of: datetime | None) -> ColumnElement[bool]:
    """Return the condition that a case has no verdict and can get one: it was not erased."""
    is_there = cases.c.erased_at.is_(None) if as_of is None else func.coalesce(cases.c.erased_at > as_of, true())
    verdict = select(decisions.c.decision_id).where(decisions.c.case_id == cases.c.case_id, is_last_verdict(as_of))
    return and_(is_there, ~verdict.correlate(cases).exists())


def _is_passed_on(as_of: datetime | None) -> ColumnElement[bool]:
    own = decisions.c.case_id == cases.c.case_id, decisions.c.verdict == Verdict.ESCALATE.value, stands(as_of)
    known = () if as_of is None else (decisions.c.decided_at <= as_of,)
    return select(decisions.c.decision_id).where(*own, *known).correlate(cases).exists()


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _stretch_of_stream(row: Row[Any], reviewed: Row[Any] | None) -> Stretch:
    return Stretch(
        sample_id=row.sample_id,
        first=0,
        last=0,
        is_sure=row.is_sure,
        listings=row.listings,
        shown=row.shown,
        sampling_probability=row.sampling_probability,
        mean_score=row.expected / row.listings,
        **_count_reviewed(reviewed),
    )


def _count_reviewed(reviewed: Row[Any] | None) -> dict[str, int]:
    counts = ("seen", "counterfeit", "done", "fair", "fair_counterfeit", "held")
    return {name: int(getattr(reviewed, name)) if reviewed else 0 for name in counts}


def _stretch(row: Row[Any], reviewed: Row[Any] | None) -> Stretch:
    return Stretch(
        sample_id=row.sample_id,
        first=row.first,
        last=row.last,
        is_sure=row.last <= row.sure,
        listings=row.listings,
        shown=row.shown,
        sampling_probability=row.sampling_probability,
        mean_score=row.mean_score,
        **_count_reviewed(reviewed),
    )


@dataclass(frozen=True, slots=True)
class EstimatedFigure:
    """One figure for all listings with its 95 % interval: "prevalence", "recall of the queue" or "precision at 100".

    `value`, `low` and `high` are None if too little was reviewed. `naive` is the figure among the `reviews` reviewed
    listings only.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    naive: float | None
    reviews: int


@dataclass(frozen=True, slots=True)
class Estimates:
    """Figures for all listings, with their basis.

    They cover `listings` of `files` files and `days` stream days. `uncovered` listings are left out: none of their
    draws was reviewed. `waiting` counts unreviewed cases shown for their score, and draws that wait for a lead;
    intervals allow for any outcome of them. `drawn_reviewed` of `drawn` draws were reviewed in turn.
    """

    figures: tuple[EstimatedFigure, ...]
    files: int
    listings: int
    uncovered: int
    waiting: int
    drawn: int
    drawn_reviewed: int
    days: int = 0


def estimate(connection: Connection, *, since: datetime | None = None) -> Estimates:
    """Estimate prevalence, recall and precision for all listings, or for files and streams since a moment."""
    return summarise(read_stretches(connection, since=since))


def summarise(stretches: Sequence[Stretch]) -> Estimates:
    """Return the figures of reviewed strata."""
    unread = {sample_id for sample_id, share in _reviewed_shares(stretches).items() if not share}
    covered = [stretch for stretch in stretches if stretch.sample_id not in unread]
    sure = [stretch for stretch in covered if stretch.is_sure]
    drawn = [stretch for stretch in covered if not stretch.is_sure]
    listings = sum(stretch.listings for stretch in covered)
    return Estimates(
        (
            _share("prevalence", covered, stretches),
            _recall(covered, stretches),
            *(_share(f"precision at {depth:,}", *_first(stretches, unread, depth)) for depth in DEPTHS),
        ),
        files=len({stretch.sample_id for stretch in covered if stretch.last}),
        days=len({stretch.sample_id for stretch in covered if not stretch.last}),
        listings=listings,
        uncovered=sum(stretch.listings for stretch in stretches) - listings,
        waiting=sum(stretch.listings - stretch.done for stretch in sure) + sum(stretch.held for stretch in drawn),
        drawn=sum(stretch.shown for stretch in drawn),
        drawn_reviewed=sum(stretch.fair for stretch in drawn),
    )


def _first(
    stretches: Sequence[Stretch], unread: Set[int], depth: int
) -> tuple[list[Stretch], list[Stretch], Sequence[Stretch]]:
    """Return the first `depth` listings of each file that deep: those with an estimate, and all."""
    deep = {stretch.sample_id for stretch in stretches if stretch.last >= depth}
    first = [stretch for stretch in stretches if stretch.sample_id in deep and stretch.last <= depth]
    # If all of them are shown for their score, unreviewed draws of the file do not matter.
    open_ended = unread & {stretch.sample_id for stretch in first if not stretch.is_sure}
    return [stretch for stretch in first if stretch.sample_id not in open_ended], first, stretches


def _share(
    name: str, chosen: Sequence[Stretch], reviewed: Sequence[Stretch], context: Sequence[Stretch] | None = None
) -> EstimatedFigure:
    """Return the share of counterfeits among the chosen listings, and naively among the reviewed."""
    seen, found = sum(stretch.seen for stretch in reviewed), sum(stretch.counterfeit for stretch in reviewed)
    naive = found / seen if seen else None
    totals = _totals(chosen, context or reviewed)
    if totals is None or not any(stretch.seen for stretch in chosen):
        return EstimatedFigure(name, None, None, None, naive, seen)
    total, listings = totals[0] + totals[1], sum(stretch.listings for stretch in chosen)
    return EstimatedFigure(name, total.value / listings, total.low / listings, total.high / listings, naive, seen)


def _recall(chosen: Sequence[Stretch], reviewed: Sequence[Stretch]) -> EstimatedFigure:
    name = "recall of the queue"
    seen, found = sum(stretch.seen for stretch in reviewed), sum(stretch.counterfeit for stretch in reviewed)
    naive = _found(reviewed, lambda stretch: stretch.is_sure) / found if found else None
    totals = _totals(chosen, reviewed)
    if totals is None or not any(stretch.counterfeit for stretch in chosen):
        return EstimatedFigure(name, None, None, None, naive, seen)
    sure, rest = totals
    value = sure.value / (sure.value + rest.value) if sure.value + rest.value else 0.0
    low = sure.low / (sure.low + rest.high) if sure.low + rest.high else 0.0
    high = sure.high / (sure.high + rest.low) if sure.high + rest.low else 1.0
    return EstimatedFigure(name, value, low, high, naive, seen)


def _found(stretches: Sequence[Stretch], chosen: Callable[[Stretch], bool]) -> int:
    return sum(stretch.counterfeit for stretch in stretches if chosen(stretch))


def _totals(chosen: Sequence[Stretch], all_of_them: Sequence[Stretch]) -> tuple[Total, Total] | None:
    """Return counterfeits among listings shown for their score and among the rest; None if too few were reviewed."""
    cells = dict(zip(all_of_them, make_cells(all_of_them), strict=True))  # weights depend on all draws of a file
    sure = count_sure(cells[stretch] for stretch in chosen if stretch.is_sure)
    rest = count_drawn(cells[stretch] for stretch in chosen if not stretch.is_sure)
    return None if rest is None else (sure, rest)
