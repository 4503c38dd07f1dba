"""Deadlines: a case that must be taken now precedes all others.

A reviewer may take the most valuable case as long as all deadlines could still be met by taking only cases with
deadlines next, earliest first. With R reviewers, each busy for at most the longest review, the k-th case by deadline
begins within `longest + minutes of the cases before it / R` working minutes (Graham 1969). For one reviewer, or reviews
of equal length, this meets every deadline that any plan could meet; else as many as possible are met (Moore 1968). The
order is: tight deadlines; cases notified by trusted flaggers or authorities, which have priority by law (Digital
Services Act, Article 22(1)); overdue cases; all others.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, bindparam, func, or_, select, type_coerce, update

from ipml.kit.moments import write_moment
from ipml.review.cases import PENDING, StoredCase, is_free, lock_first, select_first, subject_of
from ipml.review.quality.second_person import is_free_for
from ipml.review.ranking.policy import FARTHEST, Policy, WorkingHours
from ipml.review.ranking.queue_order import current_ranking
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import notifier_kind_at
from ipml.storage.tables import cases, notice_items, notices, notifier_appointments, notifiers

_BUCKET = timedelta(minutes=15) // timedelta(microseconds=1)
_MOST_TIGHT = 500  # cases examined one by one when deadlines are tight


@dataclass(frozen=True, slots=True)
class DueWork:
    """Work with a deadline: one case, or with `case_id` 0 several cases due at about the same time.

    `minutes` is the work in total and `longest` its longest review; `minutes_left` are one reviewer's working minutes
    until the deadline.
    """

    case_id: int
    minutes: float
    minutes_left: float
    longest: float


def find_due(connection: Connection, reviewer: str, now: datetime) -> StoredCase | None:
    """Return the case, locked, that must be taken now to keep deadlines, or None."""
    if connection.scalar(_FIRST_DUE, {"moment": now + FARTHEST}) is None:
        return None
    policy = current_ranking(connection).policy
    hours = policy.working_hours
    if not are_tight(_sum_up(connection, now, policy), hours.reviewers, policy.longest_minutes):
        first = _lock_first(connection, reviewer, now, has_priority() & BY_NUMBER)
        return first or _lock_first(connection, reviewer, now, and_(*_due_by(now)))
    kept = [due.case_id for due in keep_most(_list_due(connection, now, policy), hours.reviewers)]
    row = _lock_first(connection, reviewer, now, cases.c.case_id.in_(kept) & BY_NUMBER) if kept else None
    return row or _lock_first(connection, reviewer, now, and_(*_due_by(now + FARTHEST)))


_WITH_PRIORITY = ("trusted flagger", "authority")
# The expression hides the state's index from SQLite, which would scan all open cases and waiting items.
BY_NUMBER = cases.c.state.concat("") == "open"


@cache
def has_priority() -> ColumnElement[bool]:
    """Return the condition that a trusted flagger or an authority waits for the decision on a case."""
    is_of_kind = notifier_appointments.c.kind.in_(_WITH_PRIORITY)
    ever = select(notifiers.c.notifier_id).where(notifiers.c.kind.in_(_WITH_PRIORITY))
    ever_or_appointed = ever.union(select(notifier_appointments.c.notifier_id).where(is_of_kind))
    waiting = (
        select(notice_items.c.case_id)
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
        .where(notices.c.notifier_id.in_(ever_or_appointed), notices.c.settled_at.is_(None), ~notices.c.is_suspended)
        .where(
            notice_items.c.state.concat("") == "waiting", notifier_kind_at(notices.c.received_at).in_(_WITH_PRIORITY)
        )
    )
    return cases.c.case_id.in_(waiting)


def are_tight(dues: Iterable[DueWork], reviewers: int = 1, busy_minutes: float = 0.0) -> bool:
    """Return whether a deadline might be missed if a reviewer now took a case without one.

    `dues` are ordered by deadline. Each reviewer may be busy for `busy_minutes`.

    >>> are_tight([DueWork(1, 10, 30, 10), DueWork(2, 10, 30, 10)], busy_minutes=10)
    False
    >>> are_tight([DueWork(1, 10, 30, 10), DueWork(2, 10, 29, 10)], busy_minutes=10)
    True
    """
    before = 0.0
    for due in dues:
        # The last case of several begins when the others are done.
        last_begins = busy_minutes + (before + due.minutes - due.longest) / reviewers
        if last_begins + due.longest > due.minutes_left:
            return True
        before += due.minutes
    return False


def keep_most(dues: Sequence[DueWork], reviewers: int = 1) -> list[DueWork]:
    """Return the largest set of cases whose deadlines can all be met, earliest first, for idle reviewers.

    It is optimal for one reviewer (Moore 1968); for several, work is treated as divisible.

    >>> [due.case_id for due in keep_most([DueWork(1, 9, 10, 9), DueWork(2, 2, 11, 2), DueWork(3, 2, 12, 2)])]
    [2, 3]
    """
    kept: list[tuple[float, int]] = []  # a heap with the longest on top
    total = 0.0
    for place, due in enumerate(dues):
        if due.minutes > due.minutes_left:
            continue
        heapq.heappush(kept, (-due.minutes, place))
        total += due.minutes
        if total > reviewers * due.minutes_left:
            total += heapq.heappop(kept)[0]
    return [dues[place] for place in sorted(place for _, place in kept)]


def bring_forward(
    connection: Connection, rows: Collection[StoredCase], due_at: datetime, *, actor: str, now: datetime
) -> list[int]:
    """Set an earlier deadline for locked cases in the caller's transaction; return the cases it changed.

    Decided cases and earlier deadlines do not change. A near-duplicate is decided with its exemplar, so the exemplar's
    deadline changes too.
    """
    wanted = {row.case_id for row in rows if row.state in PENDING} | {row.exemplar for row in rows if row.exemplar}
    query = select(cases.c.case_id).where(cases.c.case_id.in_(wanted), cases.c.state.in_(PENDING))
    later = or_(cases.c.due_at.is_(None), cases.c.due_at > due_at)
    moved = list(connection.scalars(query.where(later).order_by(cases.c.case_id)))
    connection.execute(update(cases).where(cases.c.case_id.in_(moved)).values(due_at=due_at))
    entries = [(subject_of(case_id), {"due_at": write_moment(due_at)}) for case_id in moved]
    audit.append_all(connection, actor, "deadline set", entries, at=now)
    return moved


def _due_by(moment: datetime | ColumnElement[Any]) -> tuple[Any, ...]:
    return cases.c.state == "open", cases.c.due_at <= moment


_FIRST_DUE = select(cases.c.case_id).where(*_due_by(bindparam("moment"))).order_by(cases.c.due_at).limit(1)


def _sum_up(connection: Connection, now: datetime, policy: Policy) -> Iterable[DueWork]:
    """Yield upcoming work per quarter of an hour, as one item due with its first case."""
    minutes = func.coalesce(cases.c.minutes, policy.usual_minutes)
    due_at = func.min(cases.c.due_at)
    query = (
        select(due_at, policy.safety * func.sum(minutes), policy.safety * func.max(minutes))
        .where(*_due_by(now + FARTHEST), cases.c.due_at > now)
        .group_by(type_coerce(cases.c.due_at, BigInteger) // _BUCKET)
        .order_by(due_at)
    )
    buckets = connection.execute(query).all()
    most = sum(minutes for _, minutes, _ in buckets) + 2 * policy.safety * policy.longest_minutes
    left = _MinutesLeft(policy.working_hours, now)
    for first, total, longest in buckets:
        minutes_left = left.until(first)
        yield DueWork(0, total, minutes_left, longest)
        if minutes_left > most:
            return  # later deadlines leave time for everything before them


def _list_due(connection: Connection, now: datetime, policy: Policy) -> list[DueWork]:
    query = (
        select(cases.c.case_id, cases.c.due_at, func.coalesce(cases.c.minutes, policy.usual_minutes).label("minutes"))
        .where(*_due_by(now + FARTHEST), cases.c.due_at > now, is_free(now))
        .order_by(cases.c.due_at, cases.c.case_id)
        .limit(_MOST_TIGHT)
    )
    left = _MinutesLeft(policy.working_hours, now)
    return [
        DueWork(row.case_id, row.minutes, left.until(row.due_at), row.minutes)
        for row in connection.execute(query).all()
    ]


def _lock_first(connection: Connection, reviewer: str, now: datetime, wanted: ColumnElement[bool]) -> StoredCase | None:
    query = select(cases).where(wanted, is_free_for(reviewer, now)).order_by(cases.c.due_at, cases.c.case_id)
    return lock_first(connection, select_first(query))


class _MinutesLeft:
    """Working minutes from now until ever later moments; each period is counted once."""

    def __init__(self, hours: WorkingHours, now: datetime) -> None:
        self._hours, self._moment, self._minutes = hours, now, 0.0

    def until(self, moment: datetime) -> float:
        self._minutes += self._hours.minutes_between(self._moment, moment)
        self._moment = max(self._moment, moment)
        return self._minutes
