"""Reviews packed into the minutes there are: deadlines first, then what is worth most for its minutes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ipml.review.ranking.deadlines import Due, keep_most

_FEW = 16  # so many optional reviews are packed exactly; of more, greedily


@dataclass(frozen=True, slots=True)
class Work:
    """A review that may be made.

    Attributes
    ----------
    value : float
        What it is worth; below 0 it is made for the sake of a deadline only.
    minutes_left : float or None
        Working minutes until it must be done; None where it has no deadline.
    """

    case_id: int
    value: float
    minutes: float
    minutes_left: float | None = None


def pack(works: Sequence[Work], minutes: float) -> list[Work]:
    """Return the reviews to make in so many minutes of one reviewer, in an order that keeps the deadlines.

    Every deadline within the minutes is kept if all of them can be, else as many as possible; beside them as much
    value as there is time for. Up to 16 reviews without a deadline are packed exactly; of more, those of most value
    per minute are taken (Dantzig 1957), which loses less than the value of one review.

    Examples
    --------
    >>> works = [Work(1, 60.0, 10), Work(2, 50.0, 8), Work(3, 5.0, 4, minutes_left=12), Work(4, -1.0, 1)]
    >>> [work.case_id for work in pack(works, 14)]
    [3, 1]
    """
    pressing = keep_deadlines(works, minutes)
    others = _others(works, pressing)
    others = sorted((work for work in others if work.value > 0), key=lambda work: -work.value / work.minutes)
    minutes -= sum(work.minutes for work in pressing)
    return pressing + (_fill_exactly if len(others) <= _FEW else _fill)(others, minutes)


def pack_in_order(works: Sequence[Work], minutes: float) -> list[Work]:
    """Return the reviews that are made in so many minutes if they are taken as they come, deadlines first."""
    pressing = keep_deadlines(works, minutes)
    return pressing + _fill(_others(works, pressing), minutes - sum(work.minutes for work in pressing))


def keep_deadlines(works: Iterable[Work], minutes: float) -> list[Work]:
    """Return the most reviews due within the minutes that can all be made in time, the earliest first."""
    due = [(left, work) for work in works if (left := work.minutes_left) is not None and left <= minutes]
    due.sort(key=lambda pair: pair[0])
    kept = keep_most([Due(place, work.minutes, left, work.minutes) for place, (left, work) in enumerate(due)])
    return [due[one.case_id][1] for one in kept]


def _others(works: Iterable[Work], pressing: Iterable[Work]) -> list[Work]:
    taken = {work.case_id for work in pressing}
    return [work for work in works if work.case_id not in taken]


def _fill(works: Iterable[Work], minutes: float) -> list[Work]:
    """Take one after the other of those that still fit."""
    taken = []
    for work in works:
        if work.minutes <= minutes:
            taken.append(work)
            minutes -= work.minutes
    return taken


def _fill_exactly(works: Sequence[Work], minutes: float) -> list[Work]:
    """Take those that are worth most together: keep all choices that no other beats in both time and value."""
    best: list[tuple[float, float, tuple[int, ...]]] = [(0.0, 0.0, ())]  # minutes, value lost, places
    for place, work in enumerate(works):
        longer = [(spent + work.minutes, lost - work.value, (*places, place)) for spent, lost, places in best]
        best, candidates = [], sorted(best + [choice for choice in longer if choice[0] <= minutes])
        for choice in candidates:
            if not best or choice[1] < best[-1][1]:
                best.append(choice)
    return [works[place] for place in best[-1][2]]
