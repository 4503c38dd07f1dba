"""Suggestions: names that complete typed text, by index at any queue length; open cases that fit a rule or a seller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, literal, null, select, union_all
from sqlalchemy.sql.expression import CTE

from ipml.review.arrivals.snapshot import is_storable
from ipml.review.cases import STATES, is_listed
from ipml.review.ranking.policy import fold_name
from ipml.storage.tables import cases, listings, users

MOST_SUGGESTIONS, MOST_COUNTED = 10, 100
SuggestedField = Literal["brand", "seller_id", "category"]


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


def count_names(connection: Connection, field: SuggestedField, most: int = MOST_COUNTED) -> dict[str, int]:
    """Return the brands or sellers of most open cases with their number, most first."""
    n, column = func.count().label("n"), cases.c[field]
    query = select(column, n).where(cases.c.state == "open", column.is_not(null())).group_by(column)
    return {row[0]: row.n for row in connection.execute(query.order_by(n.desc(), column).limit(most))}


@dataclass(frozen=True, slots=True)
class CaseFit:
    """The open cases that fit a rule or a seller, all open cases, and the names in it that no case has."""

    fitting: int
    open: int
    unknown: tuple[str, ...] = ()


def count_fitting(
    connection: Connection, fits: ColumnElement[bool], unknown: Sequence[str] = (), now: datetime | None = None
) -> CaseFit:
    """Return how many open cases, as listed, fit a condition."""
    total = select(func.count()).where(cases.c.state == "open", *is_listed(cases, now or datetime.now(UTC)))
    return CaseFit(connection.scalar(total.where(fits)) or 0, connection.scalar(total) or 0, tuple(unknown))


def count_seller_cases(connection: Connection, seller_id: str, brand: str | None) -> CaseFit:
    """Return how many open cases a seller has, of one brand or of all; the seller is unknown without any listing."""
    fits = [cases.c.seller_id == seller_id]
    unknown = find_unknown(connection, cases.c.seller_id, {seller_id: seller_id})
    if unknown and connection.scalar(select(exists().where(listings.c.seller_id == seller_id))):
        unknown = []
    if brand is not None:
        fits.append(cases.c.brand_read == fold_name(brand))
        unknown += find_unknown(connection, cases.c.brand_read, {fold_name(brand): brand})
    return count_fitting(connection, and_(*fits), unknown)


def find_unknown(connection: Connection, column: ColumnElement[Any], written: Mapping[str, str]) -> list[str]:
    """Return, of some values of a column with their spelling, the spelling of those that no case has."""
    if not written:
        return []
    has_it = (
        select(literal(value)).where(exists().where(cases.c.state.in_(STATES), column == value)) for value in written
    )
    known = set(connection.scalars(union_all(*has_it)))
    return [spelling for value, spelling in written.items() if value not in known]


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
