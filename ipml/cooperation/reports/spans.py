"""How long things took, sorted by the database: the median, and what nine in ten stay within."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, case, func, select, type_coerce

from ipml.enforcement.takedown.measures import Span

ALL = "all"


def between(start: ColumnElement[datetime], end: ColumnElement[datetime]) -> ColumnElement[int]:
    """Return how long it is from a moment to another, in microseconds, as a column."""
    return type_coerce(end, BigInteger) - type_coerce(start, BigInteger)


def measure_spans(connection: Connection, query: Select[Any, Any] | Select[Any]) -> dict[str, Span]:
    """Return the spans of a query by group.

    Parameters
    ----------
    query : Select
        Two columns, named "group" and "span" (microseconds); rows whose span is empty say nothing.

    Examples
    --------
    >>> from sqlalchemy import literal, union_all
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> hours = [select(literal("all").label("group"), literal(n * 3_600_000_000).label("span")) for n in range(1, 11)]
    >>> with reading(engine) as connection:
    ...     span = measure_spans(connection, select(union_all(*hours).subquery()))["all"]
    >>> span.known, span.median / timedelta(hours=1), span.p90 / timedelta(hours=1)
    (10, 5.5, 9.0)
    """
    found = query.subquery()
    group, span = found.c.group, found.c.span
    place = func.row_number().over(partition_by=group, order_by=span).label("place")
    number = func.count().over(partition_by=group).label("number")
    ranked = select(group, span, place, number).where(span.is_not(None)).subquery()
    lower, upper = ((ranked.c.number + shift) // 2 for shift in (1, 2))
    middle = ranked.c.place.in_([lower, upper])
    ninth = ranked.c.place == (9 * ranked.c.number + 9) // 10
    at_middle = case((middle, ranked.c.span))
    picked = select(
        ranked.c.group,
        func.max(ranked.c.number),
        func.min(at_middle),
        func.max(at_middle),
        func.max(case((ninth, ranked.c.span))),
    ).group_by(ranked.c.group)
    return {
        row[0]: Span(row[1], timedelta(microseconds=(row[2] + row[3]) / 2), timedelta(microseconds=row[4]))
        for row in connection.execute(picked)
    }
