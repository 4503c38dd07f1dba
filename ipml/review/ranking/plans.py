"""Plans: review durations, a shift's work, and the effect of another policy on the queue.

Durations are measured from claim to decision. A shift takes cases with deadlines first, then the highest value per
minute. Policies are simulated before they are put in force; simulation changes nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.cases import is_listed, subject_of
from ipml.review.quality.second_person import is_free_for
from ipml.review.ranking.deadlines import BY_NUMBER, DueWork, has_priority, keep_most
from ipml.review.ranking.policy import Policy, compute_expected_value
from ipml.review.ranking.queue_order import (
    QueueOrder,
    QueueRanking,
    current_ranking,
    expect,
    make_ranks,
    measure_usual,
)
from ipml.review.worklists.assignment import is_for
from ipml.storage.tables import audit, cases, decisions

_BATCH_SIZE = 500
_NEWEST = 20_000
_FEWEST = 20  # decisions required for a proposal


@dataclass(frozen=True, slots=True)
class Measured:
    """Median minutes of one kind of review: `kind` is "all" (with empty name), "verdict" or "category"."""

    kind: str
    name: str
    decisions: int
    minutes: float


def measure_minutes(connection: Connection, *, newest: int = _NEWEST) -> list[Measured]:
    """Return the median minutes from claim to decision: overall, by verdict and by category, the commonest first.

    It uses the `newest` decisions.
    """
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    query = (
        select(decisions.c.case_id, decisions.c.token, decisions.c.verdict, decisions.c.decided_at, cases.c.snapshot)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(decisions.c.origin == "review")  # other decisions carry the token of an earlier claim
        .order_by(decisions.c.decision_id.desc())
        .limit(newest)
    )
    for verdict, category, minutes in _time(connection, connection.execute(query)):
        seen["all", ""].append(minutes)
        seen["verdict", verdict].append(minutes)
        if category:
            seen["category", category].append(minutes)
    rows = [Measured(kind, name, len(minutes), median(minutes)) for (kind, name), minutes in seen.items()]
    kinds = ("all", "verdict", "category")
    return sorted(rows, key=lambda row: (kinds.index(row.kind), -row.decisions, row.name))


def propose_minutes(measured: Iterable[Measured]) -> str:
    """Return measured minutes as lines of a policy file, for at least 20 decisions each.

    >>> print(propose_minutes([Measured("all", "", 90, 1.25), Measured("category", "toys", 30, 2.0)]))
    usual_minutes = 1.3
    <BLANKLINE>
    [minutes]
    "toys" = 2.0
    """
    known = [row for row in measured if row.decisions >= _FEWEST]
    usual = [f"usual_minutes = {_rounded(row)}\n" for row in known if row.kind == "all"]
    named = [f"{json.dumps(row.name)} = {_rounded(row)}" for row in known if row.kind == "category"]
    return "\n".join([*usual, *(["[minutes]", *named] if named else [])])


def _time(connection: Connection, decided: Iterable[Row[Any]]) -> Iterator[tuple[str, str | None, float]]:
    """Yield verdict, category and minutes of each decision whose claim is in the audit trail."""
    remaining = iter(decided)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        claimed = _claims(connection, {subject_of(row.case_id) for row in batch})
        for row in batch:
            claimed_at = claimed.get((subject_of(row.case_id), row.token))
            if claimed_at is not None and row.decided_at >= claimed_at:
                minutes = (row.decided_at - claimed_at).total_seconds() / 60
                yield row.verdict, decode_listing(row.snapshot).category, minutes


def _claims(connection: Connection, subjects: Iterable[str]) -> dict[tuple[str, int], datetime]:
    query = select(audit.c.subject, audit.c.payload, audit.c.at)
    query = query.where(audit.c.subject.in_(subjects), audit.c.action == "claimed")
    return {(row.subject, json.loads(row.payload)["token"]): row.at for row in connection.execute(query)}


def _rounded(row: Measured) -> float:
    """Return minutes rounded to a tenth, and never 0."""
    return max(round(row.minutes + 1e-9, 1), 0.1)


_FEW = 16  # up to this many optional reviews are packed exactly, more greedily


@dataclass(frozen=True, slots=True)
class PlannedReview:
    """A review that may be done.

    `value` is its expected value; below 0 it is done only for its deadline. `minutes_left` are working minutes until
    the deadline, None without one.
    """

    case_id: int
    value: float
    minutes: float
    minutes_left: float | None = None


def pack(works: Sequence[PlannedReview], minutes: float) -> list[PlannedReview]:
    """Return reviews for one reviewer's minutes, in an order that keeps the deadlines.

    Every deadline within the minutes is kept, or as many as possible; the rest of the time takes the most value. Up to
    16 reviews without a deadline are packed exactly; of more, those with most value per minute are taken (Dantzig
    1957), which loses less than the value of one review.

    >>> works = [PlannedReview(1, 60.0, 10), PlannedReview(2, 50.0, 8),
    ...     PlannedReview(3, 5.0, 4, minutes_left=12), PlannedReview(4, -1.0, 1)]
    >>> [work.case_id for work in pack(works, 14)]
    [3, 1]
    """
    pressing = keep_deadlines(works, minutes)
    others = _others(works, pressing)
    others = sorted((work for work in others if work.value > 0), key=lambda work: -work.value / work.minutes)
    minutes -= sum(work.minutes for work in pressing)
    return pressing + (_fill_exactly if len(others) <= _FEW else _fill)(others, minutes)


def pack_in_order(works: Sequence[PlannedReview], minutes: float) -> list[PlannedReview]:
    """Return the reviews done in the minutes if taken in the given order, deadlines first."""
    pressing = keep_deadlines(works, minutes)
    return pressing + _fill(_others(works, pressing), minutes - sum(work.minutes for work in pressing))


def keep_deadlines(works: Iterable[PlannedReview], minutes: float) -> list[PlannedReview]:
    """Return the most reviews due within the minutes that can all be done in time, earliest first."""
    due = [(left, work) for work in works if (left := work.minutes_left) is not None and left <= minutes]
    due.sort(key=lambda pair: pair[0])
    kept = keep_most([DueWork(place, work.minutes, left, work.minutes) for place, (left, work) in enumerate(due)])
    return [due[one.case_id][1] for one in kept]


def _others(works: Iterable[PlannedReview], pressing: Iterable[PlannedReview]) -> list[PlannedReview]:
    taken = {work.case_id for work in pressing}
    return [work for work in works if work.case_id not in taken]


def _fill(works: Iterable[PlannedReview], minutes: float) -> list[PlannedReview]:
    taken = []
    for work in works:
        if work.minutes <= minutes:
            taken.append(work)
            minutes -= work.minutes
    return taken


def _fill_exactly(works: Sequence[PlannedReview], minutes: float) -> list[PlannedReview]:
    """Return the most valuable reviews that fit, keeping all choices that no other beats in time and value."""
    best: list[tuple[float, float, tuple[int, ...]]] = [(0.0, 0.0, ())]  # minutes, value lost, places
    for place, work in enumerate(works):
        longer = [(spent + work.minutes, lost - work.value, (*places, place)) for spent, lost, places in best]
        best, candidates = [], sorted(best + [choice for choice in longer if choice[0] <= minutes])
        for choice in candidates:
            if not best or choice[1] < best[-1][1]:
                best.append(choice)
    return [works[place] for place in best[-1][2]]


_MOST = 2_000  # cases read of either kind, more than anybody reviews in a shift


def plan_shift(connection: Connection, minutes: float, *, reviewer: str = "", now: datetime) -> list[PlannedReview]:
    """Return the best use of a reviewer's minutes, deadlines first, among the cases they may review.

    Cases notified by a trusted flagger or an authority come first. Values are those of the policy in force when the
    cases were ranked, whatever the queue's order. Cases assigned to others are excluded; without `reviewer`, all
    assigned ones.
    """
    policy = current_ranking(connection).policy
    is_theirs = is_for(reviewer, now) & is_free_for(reviewer, now)
    by_number = is_theirs & BY_NUMBER & (func.coalesce(cases.c.exemplar, 0) == 0)
    before = _find(connection, by_number & has_priority(), cases.c.due_at)
    is_theirs &= (cases.c.state == "open") & cases.c.exemplar.is_(None)
    due = _find(connection, is_theirs & cases.c.due_at.is_not(None), cases.c.due_at)
    best = _find(connection, is_theirs & (cases.c.value > 0), cases.c.value_rank)
    first = _fill([_work(row, policy, now) for row in before], minutes)
    found = {row.case_id: _work(row, policy, now) for row in (*due, *best)}
    rest = [work for number, work in found.items() if number not in {row.case_id for row in before}]
    return [*first, *pack(rest, minutes - sum(work.minutes for work in first))]


def _find(
    connection: Connection, wanted: ColumnElement[bool], first: ColumnElement[object]
) -> list[Row[tuple[int, float, float | None, datetime | None]]]:
    columns = (cases.c.case_id, func.coalesce(cases.c.value, 0.0).label("value"), cases.c.minutes, cases.c.due_at)
    query = select(*columns).where(wanted).order_by(first, cases.c.case_id)
    return list(connection.execute(query.limit(_MOST)))


def _work(row: Row[tuple[int, float, float | None, datetime | None]], policy: Policy, now: datetime) -> PlannedReview:
    left = None if row.due_at is None else policy.working_hours.minutes_between(now, row.due_at)
    return PlannedReview(row.case_id, row.value, row.minutes or policy.usual_minutes, left)


_MOST_GROUPS = 12


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """Outcome of a day of review in one order: "score", "value", "fifo" or "in force".

    `fakes` is the expected number of counterfeits, the sum of the scores. `harm` is the expected harm prevented, in the
    new policy's currency.
    """

    order: str
    cases: int
    fakes: float
    harm: float


@dataclass(frozen=True, slots=True)
class Moved:
    """Cases of a brand or category reviewed in a day, and harm prevented, now and in the new order."""

    name: str
    cases_now: int
    cases_then: int
    harm_now: float
    harm_then: float


@dataclass(frozen=True, slots=True)
class Preview:
    """Effects of a new order and policy.

    `minutes` of review underlie the `outcomes`: in force, then each order under the new policy. `entering` and
    `leaving` cases (number and listing) move into or out of the first cases. `groups` are brands and categories, the
    largest change of prevented harm first.
    """

    currency: str
    minutes: float
    entering: tuple[tuple[int, str], ...]
    leaving: tuple[tuple[int, str], ...]
    outcomes: tuple[PlanOutcome, ...]
    groups: tuple[Moved, ...]


@dataclass(slots=True)
class _Candidate:
    case_id: int
    listing_id: str
    groups: tuple[str, ...]
    probability: float
    harm: float
    work: PlannedReview
    ranks: dict[str, float] = field(default_factory=dict)


def simulate_policy(
    connection: Connection,
    policy: Policy,
    *,
    now: datetime,
    order: QueueOrder = QueueOrder.VALUE,
    first: int = 100,
    minutes: float | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Preview:
    """Return the effects of an order and a policy; nothing changes.

    Only listed cases count: none that wait for a near-duplicate or are snoozed. `first` is the depth for cases entering
    and leaving; `minutes` default to a working day of the policy. `progress` gets the number of cases read so far.
    """
    minutes = policy.working_hours.minutes_a_day if minutes is None else minutes
    current = current_ranking(connection)
    new = QueueRanking(None, order, policy, measure_usual(connection, policy))
    candidates = []
    for candidate in _look_at(connection, current, new, now):
        candidates.append(candidate)
        progress(len(candidates))
    now_first, then_first = _sort(candidates, "in force"), _sort(candidates, order)
    before, after = {one.case_id for one in now_first[:first]}, {one.case_id for one in then_first[:first]}
    reviewed = {name: _review(candidates, name, minutes) for name in ("in force", *QueueOrder)}
    return Preview(
        currency=policy.currency,
        minutes=minutes,
        entering=tuple((one.case_id, one.listing_id) for one in then_first[:first] if one.case_id not in before),
        leaving=tuple((one.case_id, one.listing_id) for one in now_first[:first] if one.case_id not in after),
        outcomes=tuple(_sum_up(name, done) for name, done in reviewed.items()),
        groups=_compare(reviewed["in force"], reviewed[order]),
    )


def _look_at(connection: Connection, current: QueueRanking, new: QueueRanking, now: datetime) -> Iterable[_Candidate]:
    names = ("case_id", "score", "enqueued_at", "due_at", "snapshot", "match_precision")
    query = select(*(cases.c[name] for name in names)).where(cases.c.state == "open", *is_listed(cases, now))
    query = query.order_by(cases.c.case_id)
    for row in connection.execute(query.execution_options(yield_per=_BATCH_SIZE)):
        listing, score = decode_listing(row.snapshot), expect(row.score, row.match_precision)
        expected_value = compute_expected_value(listing, score, new.policy, new.usual)
        ranks = make_ranks(expected_value, score, row.enqueued_at)
        in_force = ranks
        if current.order is QueueOrder.VALUE:
            in_force = make_ranks(
                compute_expected_value(listing, score, current.policy, current.usual), score, row.enqueued_at
            )
        dues = [
            due for due in (row.due_at, new.policy.deadline_of(listing.category, row.enqueued_at)) if due is not None
        ]
        yield _Candidate(
            case_id=row.case_id,
            listing_id=listing.listing_id,
            groups=tuple(name for name in (listing.brand, listing.category) if name),
            probability=expected_value.probability,
            harm=expected_value.probability * expected_value.harm,
            work=PlannedReview(
                row.case_id,
                expected_value.value,
                expected_value.minutes,
                _minutes_left(new.policy, now, min(dues, default=None)),
            ),
            ranks={"in force": in_force[current.order], **{str(name): rank for name, rank in ranks.items()}},
        )


def _minutes_left(policy: Policy, now: datetime, due_at: datetime | None) -> float | None:
    hours = policy.working_hours
    return None if due_at is None else hours.reviewers * hours.minutes_between(now, due_at)


def _sort(candidates: Iterable[_Candidate], order: str) -> list[_Candidate]:
    return sorted(candidates, key=lambda one: (one.ranks[order], one.case_id))


def _review(candidates: Sequence[_Candidate], order: str, minutes: float) -> list[_Candidate]:
    by_number = {one.case_id: one for one in candidates}
    return [by_number[work.case_id] for work in pack_in_order([one.work for one in _sort(candidates, order)], minutes)]


def _sum_up(order: str, done: Sequence[_Candidate]) -> PlanOutcome:
    return PlanOutcome(str(order), len(done), sum(one.probability for one in done), sum(one.harm for one in done))


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
