"""The verdicts of one reviewer, for themselves: the last of them, and how many a shift has brought.

A blind re-review is not told from a decision: both are verdicts on a case, under a claim by which they are taken back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, exists, func, null, select, union_all

from ipml.records import Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.reversals import stands
from ipml.settings import Settings
from ipml.storage.tables import cases, decisions, reversals, second_verdicts


@dataclass(frozen=True, slots=True)
class OwnVerdict:
    """What a reviewer said of a case.

    Attributes
    ----------
    token : int
        Of the claim under which it was given.
    is_taken_back : bool
        Whether it stands no more.
    """

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
    """How many verdicts a reviewer has given lately, and how many a shift should bring; 0 where no target is set."""

    given: int
    target: int
    hours: float


def list_own_verdicts(connection: Connection, reviewer: str, limit: int = 50) -> list[OwnVerdict]:
    """Return the last verdicts of a reviewer, the latest first, without those that spread from one to near-duplicates.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     list_own_verdicts(connection, "ana")
    []
    """
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
    """Return how far a reviewer has come in a shift; what was taken back does not count."""
    return make_progress(connection.scalar(select_given(reviewer, settings, now)) or 0, settings)


def select_given(reviewer: str, settings: Settings, now: datetime | None = None) -> Select[Any]:
    """Return the query for how many verdicts a reviewer has given in a shift, for `make_progress`."""
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
    """Return how far somebody is who has given so many verdicts in a shift."""
    return Progress(given, settings.shift_target, settings.shift_hours)
