"""Whose turn it is: drawn cases have a set share of the reviewers' time, and neither lane starves the other."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from ipml.review.quality.conflicts import is_free_for
from ipml.storage.tables import cases, decisions

_PATIENCE = timedelta(days=1)
_TURNS_REMEMBERED = 5  # of drawn cases: after a time without any, no more than these come in a row


def find_explored(connection: Connection, reviewer: str, now: datetime, share: float) -> Row[Any] | None:
    """Return the next drawn case if it is the turn of one, kept from other writers."""
    if share and is_turn(share, *count_recent(connection, share, now)):
        return find_drawn(connection, reviewer, now)
    return None


def find_left_to_people(connection: Connection, reviewer: str, now: datetime) -> Row[Any] | None:
    """Return the case that has waited longest of those a policy drew to be watched by, once it has waited for a day.

    Most come up in their own turn; whatever the order is, the others must not wait for ever.
    """
    waits = cases.c.state == "open", cases.c.drawn_at <= now - _PATIENCE
    query = select(cases).where(*waits, is_free_for(reviewer, now)).order_by(cases.c.drawn_at, cases.c.case_id).limit(1)
    return connection.execute(query.with_for_update(skip_locked=True)).first()


def find_drawn(connection: Connection, reviewer: str, now: datetime) -> Row[Any] | None:
    """Return the open drawn case of the lowest lot that nobody holds, kept from other writers."""
    query = select(cases).where(cases.c.state == "open", cases.c.lane == "explored", is_free_for(reviewer, now))
    query = query.order_by(cases.c.lot, cases.c.case_id).limit(1)
    return connection.execute(query.with_for_update(skip_locked=True)).first()


def is_turn(share: float, taken: int, drawn: int) -> bool:
    """Say whether the next case should be a drawn one, given how many were taken lately and drawn of these.

    Examples
    --------
    >>> turns = []
    >>> for _ in range(10):
    ...     turns.append(is_turn(0.3, len(turns), sum(turns)))
    >>> sum(turns)
    3
    """
    return drawn + 1 <= share * (taken + 1) + 1e-9  # 20 x 0.05 may come out a little below 1


def count_recent(connection: Connection, share: float, now: datetime) -> tuple[int, int]:
    """Return how many cases were taken lately, those that are held now among them, and how many of these were drawn."""
    query = select(decisions.c.lane).where(decisions.c.origin != "policy").order_by(decisions.c.decision_id.desc())
    # One short of as many as hold so many turns: the case about to be taken completes them.
    decided = connection.scalars(query.limit(math.ceil(_TURNS_REMEMBERED / share) - 1))
    is_held = (cases.c.holder > "", cases.c.lease_expires_at > now)  # unlike IS NOT NULL, SQLite looks that up
    held = connection.scalars(select(cases.c.lane).where(*is_held))
    lanes = [*decided, *held]
    return len(lanes), lanes.count("explored")
