"""From a sample whose odds are known to all listings: weighted counts of counterfeits, with their intervals.

What was shown for its score was looked at in full and counts as it is. Of the rest each reviewed draw stands for
1/odds listings (Horvitz and Thompson 1952; the weights are scaled to the known number of listings, as Hájek 1971).
The interval is Wilson's with the effective number of reviews in the place of the number (compared with others by
Franco et al. 2019, "Comparative study of confidence intervals for proportions in complex sample surveys").

How uncertain a group is follows from the share of counterfeits in it: where none was found that share would be none,
and the interval far too narrow. So the variance takes the mean of the share found and the share expected: that of the
model, scaled to what was found in all, and never below one in as many listings as were reviewed. Expectations thus
widen intervals, and move no value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ipml.review.quality.rates import count_rate

LEAST_DRAWS = 10
"""With fewer reviewed draws nothing is said about the listings that were not looked at."""

_DRAWS_PER_GROUP = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """What was reviewed of one stratum of one file.

    Attributes
    ----------
    listings : int
        How many it holds.
    mean_score : float
        What the model expects of them.
    reviewed, counterfeit : int
        How many were found counterfeit or genuine, and counterfeit.
    waiting : int
        How many are still to be reviewed: of a sure stratum all others, else the draws that wait for a lead.
    weight : float or None
        For how many listings a reviewed draw stands; None where the stratum is shown in full.
    """

    listings: int
    mean_score: float
    reviewed: int
    counterfeit: int
    waiting: int = 0
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """How many listings are counterfeit, with the ends of the 95 % interval."""

    value: float
    low: float
    high: float

    def __add__(self, other: Total) -> Total:
        return Total(self.value + other.value, self.low + other.low, self.high + other.high)


@dataclass(frozen=True, slots=True)
class _Group:
    """Cells of neighbouring scores, taken together so that each group has enough draws."""

    listings: int
    mean_score: float
    reviews: float  # effective number
    share: float
    unseen: float  # share of its listings that were not reviewed


def count_sure(cells: Iterable[Cell]) -> Total:
    """Return how many counterfeits are among what is shown for its score.

    Of what nobody has reviewed yet, the value takes the share of the reviewed in the same stratum, and the interval
    everything from none to all: the reviewed are those that came first, not a fair sample.

    Examples
    --------
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
    """Return how many counterfeits are among the listings from which some were drawn; None if too few were reviewed.

    The value is that of the reviewed draws; the interval allows for anything among those that wait, from none to all
    (Manski 1989): people wait for a lead where they are in doubt, so that the reviewed alone are no fair sample.

    Examples
    --------
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
    """Give the cells as reviewed; and where draws wait, with none of these found counterfeit, and with all."""
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
    """Return the function that says what share of a group is expected to be counterfeit."""
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
    assert rate is not None  # where shares vary there were reviews
    return Total(value * listings, rate.low * listings, rate.high * listings)
