"""Suggestions: brands and sellers that complete typed text, by index at any queue length."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, Select, literal, null, select, union_all
from sqlalchemy.sql.expression import CTE

from ipml.review.arrivals.snapshot import is_storable
from ipml.storage.tables import cases, users

MOST_SUGGESTIONS = 10
SuggestedField = Literal["brand", "seller_id"]


def suggest(connection: Connection, field: SuggestedField, beginning: str, *, state: str = "open") -> list[str]:
    """Return at most ten names of cases in a state that start with the typed text, in any case; none for ""."""
    beginning = beginning.lstrip()
    if not beginning or not is_storable(beginning):
        return []
    written = {beginning, beginning.lower(), beginning.upper(), beginning.capitalize(), beginning.title()}
    steps = [_step(field, state, first, number) for number, first in enumerate(sorted(written))]
    found = connection.scalars(union_all(*(select(step.c.name).where(step.c.name.is_not(null())) for step in steps)))
    fitting = {name for name in found if name.casefold().startswith(beginning.casefold())}
    return sorted(fitting, key=lambda name: (name.casefold(), name))[:MOST_SUGGESTIONS]


def suggest_reviewers(connection: Connection, beginning: str) -> list[str]:
    """Return at most ten user names that start with the typed text, in any case; none of brand accounts."""
    named = connection.scalars(select(users.c.name).where(users.c.role != "brand").order_by(users.c.name))
    typed = beginning.strip().casefold()
    return [name for name in named if typed and name.casefold().startswith(typed)][:MOST_SUGGESTIONS]


def _step(field: SuggestedField, state: str, first: str, number: int) -> CTE:
    """Go from one name to the next by index, without scanning all cases that have them."""
    step = select(
        _first(field, state).where(cases.c[field] >= first).scalar_subquery().label("name"), literal(1).label("n")
    )
    steps = step.cte(f"steps_{number}", recursive=True)
    following = _first(field, state).where(cases.c[field] > steps.c.name).scalar_subquery()
    going_on = steps.c.name.is_not(null()), steps.c.n < MOST_SUGGESTIONS
    return steps.union_all(select(following, steps.c.n + 1).where(*going_on))


def _first(field: SuggestedField, state: str) -> Select[tuple[str]]:
    return select(cases.c[field]).where(cases.c.state == state).order_by(cases.c[field]).limit(1)
