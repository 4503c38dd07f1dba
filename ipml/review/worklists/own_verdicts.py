"""Own verdicts: a reviewer's last verdicts, and their number in a shift.

Blind re-reviews look like decisions: both are verdicts under a claim, which identifies them for undo.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, exists, func, null, select, union_all

from ipml.records import Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.reversals import stands
from ipml.review.worklists.inbox import list_differing
from ipml.settings import Settings
from ipml.storage.tables import cases, control_cases, decisions, reversals, second_verdicts


@dataclass(frozen=True, slots=True)
class OwnVerdict:
    """A reviewer's verdict on a case; `token` is that of its claim."""

    case_id: int
    title: str
    verdict: Verdict
    ground: str
    note: str
    decided_at: datetime
    token: int
    is_taken_back: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """A reviewer's verdicts in the last `hours`, and the target of a shift; 0 for none."""

    given: int
    target: int
    hours: float

    @property
    def is_reached(self) -> bool:
        """Whether the target is reached."""
        return 0 < self.target <= self.given


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift: verdicts given, control cases by the verdict on them, and cases with differing second reviews."""

    progress: Progress
    right: tuple[int, ...]
    wrong: tuple[int, ...]
    undecided: tuple[int, ...]
    differing: tuple[int, ...]


def summarise_shift(connection: Connection, reviewer: str, settings: Settings, now: datetime | None = None) -> Shift:
    """Return the summary of a reviewer's shift; second reviews are those that others gave meanwhile."""
    since = (now or datetime.now(UTC)) - timedelta(hours=settings.shift_hours)
    theirs = second_verdicts.c.reviewer == reviewer, second_verdicts.c.decided_at >= since
    query = (
        select(second_verdicts.c.case_id, second_verdicts.c.verdict, control_cases.c.truth)
        .join(control_cases, control_cases.c.case_id == second_verdicts.c.case_id)
        .where(*theirs, second_verdicts.c.kind == "control", second_verdicts.c.withdrawn_at.is_(None))
        .where(control_cases.c.removed_at.is_(None))
        .order_by(second_verdicts.c.case_id)
    )
    found: dict[str, list[int]] = {"right": [], "wrong": [], "undecided": []}
    for case_id, verdict, truth in connection.execute(query):
        is_said = verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE)
        found["right" if verdict == truth else "wrong" if is_said else "undecided"].append(case_id)
    progress = count_progress(connection, reviewer, settings, now)
    right, wrong, undecided = (tuple(numbers) for numbers in found.values())
    return Shift(progress, right, wrong, undecided, tuple(list_differing(connection, reviewer, since)))


def list_own_verdicts(connection: Connection, reviewer: str, limit: int = 50) -> list[OwnVerdict]:
    """Return the last verdicts of a reviewer, the latest first, without spread decisions."""
    is_reversed = exists().where(reversals.c.decision_id == decisions.c.decision_id)
    parts = [
        select(*(said.c[name] for name in _SAID), is_back.label("is_taken_back"))
        .where(said.c.reviewer == reviewer, condition)
        .order_by(said.c.decided_at.desc())
        .limit(limit)
        .subquery()
        for said, is_back, condition in (
            (decisions, is_reversed, decisions.c.spread_from.is_(null())),
            (second_verdicts, second_verdicts.c.withdrawn_at.is_not(null()), second_verdicts.c.reviewer == reviewer),
        )
    ]
    both = union_all(*(select(part) for part in parts)).subquery()
    query = select(both, cases.c.snapshot).join(cases, cases.c.case_id == both.c.case_id)
    rows = connection.execute(query.order_by(both.c.decided_at.desc(), both.c.case_id.desc()).limit(limit))
    return [
        OwnVerdict(
            row.case_id,
            decode_listing(row.snapshot).title,
            Verdict(row.verdict),
            row.ground,
            row.note,
            row.decided_at,
            row.token,
            bool(row.is_taken_back),
        )
        for row in rows
    ]


_SAID = ("case_id", "verdict", "ground", "note", "decided_at", "token")


def count_progress(connection: Connection, reviewer: str, settings: Settings, now: datetime | None = None) -> Progress:
    """Return a reviewer's progress in a shift; verdicts taken back do not count."""
    return make_progress(connection.scalar(select_given(reviewer, settings, now)) or 0, settings)


def select_given(reviewer: str, settings: Settings, now: datetime | None = None) -> Select[Any]:
    """Return the query for a reviewer's number of verdicts in a shift, for `make_progress`."""
    since = (now or datetime.now(UTC)) - timedelta(hours=settings.shift_hours)
    decided = select(func.count()).where(
        decisions.c.reviewer == reviewer, decisions.c.decided_at >= since, decisions.c.spread_from.is_(null()), stands()
    )
    seconds = select(func.count()).where(
        second_verdicts.c.reviewer == reviewer,
        second_verdicts.c.decided_at >= since,
        second_verdicts.c.withdrawn_at.is_(null()),
    )
    return select(decided.scalar_subquery() + seconds.scalar_subquery())


def make_progress(given: int, settings: Settings) -> Progress:
    """Return the progress of a reviewer with so many verdicts."""
    return Progress(given, settings.shift_target, settings.shift_hours)
