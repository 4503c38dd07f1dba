"""What another order or policy would do to the queue, before it is put in force; nothing is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine

from ipml.review.ranking.packing import Work, pack_in_order
from ipml.review.ranking.policy import Policy
from ipml.review.ranking.ranking import Order, Ranking, get_ranking, make_ranks, measure_usual, read_open
from ipml.review.ranking.worth import weigh

_MOST_GROUPS = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a day of review would bring in an order.

    Attributes
    ----------
    order : str
        "score", "value", "fifo" or "in force".
    cases : int
        Reviewed in the minutes there are.
    fakes : float
        Expected among them: the sum of their scores.
    harm : float
        Expected to be prevented, in money of the new policy.
    """

    order: str
    cases: int
    fakes: float
    harm: float


@dataclass(frozen=True, slots=True)
class Moved:
    """How many cases of a brand or category are among those reviewed in a day, now and under the new order."""

    name: str
    cases_now: int
    cases_then: int
    harm_now: float
    harm_then: float


@dataclass(frozen=True, slots=True)
class Preview:
    """What a new order and policy would change.

    Attributes
    ----------
    minutes : float
        Of review that the outcomes are for.
    entering, leaving : tuple of (int, str)
        Number and listing of the cases that move into, or out of, the first so many.
    outcomes : tuple of Outcome
        What is in force, then each order under the new policy.
    groups : tuple of Moved
        Brands and categories, those whose harm prevented changes most first.
    """

    currency: str
    minutes: float
    entering: tuple[tuple[int, str], ...]
    leaving: tuple[tuple[int, str], ...]
    outcomes: tuple[Outcome, ...]
    groups: tuple[Moved, ...]


@dataclass(slots=True)
class _Candidate:
    """An open case as it is and as it would be."""

    case_id: int
    listing_id: str
    groups: tuple[str, ...]
    probability: float
    harm: float
    work: Work
    ranks: dict[str, float] = field(default_factory=dict)


def simulate_policy(
    engine: Engine,
    policy: Policy,
    *,
    now: datetime,
    order: Order = Order.VALUE,
    first: int = 100,
    minutes: float | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Preview:
    """Return what an order and a policy would change, and change nothing.

    Parameters
    ----------
    first : int, default=100
        How far from the top of the queue to say which cases enter and leave.
    minutes : float, default=those of a working day of the policy
        Of review.
    progress : callable, default says nothing
        Called with the number of cases looked at so far.
    """
    minutes = policy.working_hours.minutes_a_day if minutes is None else minutes
    current = get_ranking(engine)
    new = Ranking(None, order, policy, measure_usual(engine, policy))
    candidates = []
    for candidate in _look_at(engine, current, new, now):
        candidates.append(candidate)
        progress(len(candidates))
    now_first, then_first = _sort(candidates, "in force"), _sort(candidates, order)
    before, after = {one.case_id for one in now_first[:first]}, {one.case_id for one in then_first[:first]}
    reviewed = {name: _review(candidates, name, minutes) for name in ("in force", *Order)}
    return Preview(
        currency=policy.currency,
        minutes=minutes,
        entering=tuple((one.case_id, one.listing_id) for one in then_first[:first] if one.case_id not in before),
        leaving=tuple((one.case_id, one.listing_id) for one in now_first[:first] if one.case_id not in after),
        outcomes=tuple(_sum_up(name, done) for name, done in reviewed.items()),
        groups=_compare(reviewed["in force"], reviewed[order]),
    )


def _look_at(engine: Engine, current: Ranking, new: Ranking, now: datetime) -> Iterable[_Candidate]:
    for row, listing in read_open(engine):
        worth = weigh(listing, row.score, new.policy, new.usual)
        ranks = make_ranks(worth, row.score, row.enqueued_at)
        in_force = ranks
        if current.order is Order.VALUE:
            in_force = make_ranks(weigh(listing, row.score, current.policy, current.usual), row.score, row.enqueued_at)
        dues = [
            due for due in (row.due_at, new.policy.deadline_of(listing.category, row.enqueued_at)) if due is not None
        ]
        yield _Candidate(
            case_id=row.case_id,
            listing_id=listing.listing_id,
            groups=tuple(name for name in (listing.brand, listing.category) if name),
            probability=worth.probability,
            harm=worth.probability * worth.harm,
            work=Work(row.case_id, worth.value, worth.minutes, _minutes_left(new.policy, now, min(dues, default=None))),
            ranks={"in force": in_force[current.order], **{str(name): rank for name, rank in ranks.items()}},
        )


def _minutes_left(policy: Policy, now: datetime, due_at: datetime | None) -> float | None:
    """Return the working minutes of all reviewers until a deadline."""
    hours = policy.working_hours
    return None if due_at is None else hours.reviewers * hours.minutes_between(now, due_at)


def _sort(candidates: Iterable[_Candidate], order: str) -> list[_Candidate]:
    return sorted(candidates, key=lambda one: (one.ranks[order], one.case_id))


def _review(candidates: Sequence[_Candidate], order: str, minutes: float) -> list[_Candidate]:
    """Return what is reviewed in so many minutes, deadlines first."""
    by_number = {one.case_id: one for one in candidates}
    return [by_number[work.case_id] for work in pack_in_order([one.work for one in _sort(candidates, order)], minutes)]


def _sum_up(order: str, done: Sequence[_Candidate]) -> Outcome:
    return Outcome(str(order), len(done), sum(one.probability for one in done), sum(one.harm for one in done))


def _compare(now: Iterable[_Candidate], then: Iterable[_Candidate]) -> tuple[Moved, ...]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0, 0.0])
    for offset, done in enumerate((now, then)):
        for one in done:
            for name in one.groups:
                sums[name][offset] += 1
                sums[name][2 + offset] += one.harm
    moved = [Moved(name, int(n_now), int(n_then), now, then) for name, (n_now, n_then, now, then) in sums.items()]
    moved.sort(key=lambda group: (-abs(group.harm_then - group.harm_now), group.name))
    return tuple(moved[:_MOST_GROUPS])
