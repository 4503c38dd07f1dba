"""The list of cases: narrowed by filters and words, in one of several orders, page by page.

The numbers of a page's cases are found first, from indexes alone where there is one; only the fifty cases that are
shown are read whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, FromClause, Row, Select, literal, or_, select, tuple_

from ipml.errors import UnknownOrder
from ipml.records import Case
from ipml.review.cases import LARGEST_NUMBER, count_waiting, find_case, make_case
from ipml.review.search import find_few, holds, split_words
from ipml.review.texts import is_storable
from ipml.storage.database import reading
from ipml.storage.tables import case_texts, cases

ORDERS = {"rank": "rank", "value": "value_rank", "score": "score_rank", "first come": "enqueued_at"}
"""By which column of `cases`, smallest first, a list can be sorted; "rank" is the order the queue is worked in."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases to list; what is None or empty does not narrow.

    Near-duplicates that wait for another case are listed only by seller, by words, or in any state.

    Attributes
    ----------
    state : {"open", "decided", "escalated"} or None, default="open"
    brand, seller_id, category : str or None
        As the listing names them.
    search : str, default=""
        Words of the title, the brand, the listing's id or the seller's; a case must hold all of them.
    least_score, most_score : float or None
        Bounds of the score in 0-1; cases without one are outside of any.
    waiting_days : float or None
        Only cases that have been in the queue for so long.
    due_hours : float or None
        Only cases that must be decided within so long, or should have been.
    free_for : str or None
        Only cases that nobody but this person holds.
    """

    state: str | None = "open"
    brand: str | None = None
    seller_id: str | None = None
    category: str | None = None
    search: str = ""
    least_score: float | None = None
    most_score: float | None = None
    waiting_days: float | None = None
    due_hours: float | None = None
    free_for: str | None = None


def browse(
    engine: Engine,
    wanted: Filter,
    order: str = "rank",
    *,
    limit: int = 50,
    after: int | None = None,
    now: datetime | None = None,
) -> list[Case]:
    """Return one page of the cases that are wanted.

    Parameters
    ----------
    order : str, default="rank"
        A key of `ORDERS`; "rank" is the order in which the queue is worked.
    limit : int, default=50
        Most cases to return.
    after : int, optional
        Number of the last case on the page before.
    now : datetime, default=the clock

    Raises
    ------
    UnknownOrder
        There is no such order.
    CaseNotFound
        There is no case `after`.
    """
    if order not in ORDERS:
        raise UnknownOrder(order, ORDERS)
    now = now or datetime.now(UTC)
    with reading(engine) as connection:
        last = None if after is None else find_case(connection, after)
        numbers = _find(connection, wanted, _Page(ORDERS[order], min(limit, LARGEST_NUMBER), last, now))
        rows = connection.execute(select(cases).where(cases.c.case_id.in_(numbers))) if numbers else ()
        waiting = count_waiting(connection, numbers)
        found = {row.case_id: make_case(row, now, waiting.get(row.case_id, 0)) for row in rows}
    return [found[number] for number in numbers]


@dataclass(frozen=True, slots=True)
class _Page:
    """The part of a list that is shown: how it is sorted, how long it is, and after which row it begins."""

    order: str
    limit: int
    last: Row[Any] | None
    now: datetime

    def of(self, table: FromClause, wanted: Filter) -> Select[tuple[int]]:
        """Return the query for the numbers of the cases in a table that has the columns of `cases`."""
        conditions = [*_conditions(table, wanted, self.now)]
        if self.last is not None:
            last = tuple_(literal(getattr(self.last, self.order), table.c[self.order].type), self.last.case_id)
            conditions.append(tuple_(table.c[self.order], table.c.case_id) > last)
        order = table.c[self.order], table.c.case_id
        return select(table.c.case_id).where(*conditions).order_by(*order).limit(self.limit)


def _find(connection: Connection, wanted: Filter, page: _Page) -> list[int]:
    """Return the numbers of the cases on a page, in order.

    Where few cases hold the words, these are sorted; where many do, the list is read from its top until the page is
    full, which is soon. A planner knows nothing of the words, so that both ways are laid down here.
    """
    if not all(is_storable(text) for text in (wanted.brand, wanted.seller_id, wanted.category) if text):
        return []  # no case has such a text
    words = split_words(wanted.search)
    if not words:
        return list(connection.scalars(page.of(cases, wanted)))
    few = find_few(connection, words)
    if few is None:
        text = select(case_texts.c.text).where(case_texts.c.case_id == cases.c.case_id).scalar_subquery()
        return list(connection.scalars(page.of(cases, wanted).where(holds(words, text))))
    narrow = [column for column in cases.c if column.name != "snapshot"]
    picked = select(*narrow).where(cases.c.case_id.in_(few)).cte("few").prefix_with("MATERIALIZED")
    return list(connection.scalars(page.of(picked, wanted))) if few else []


def _conditions(table: FromClause, wanted: Filter, now: datetime) -> Iterator[ColumnElement[bool]]:
    column = table.c
    for name in ("state", "brand", "seller_id", "category"):
        if (value := getattr(wanted, name)) is not None:
            yield column[name] == value
    if wanted.state == "open" and wanted.seller_id is None and not wanted.search:
        yield column.exemplar.is_(None)  # the others are reviewed with the one that they wait for
    # Of cases with a score the rank by score is minus the score, and of that there are indexes.
    if wanted.least_score is not None:
        yield column.score_rank <= -wanted.least_score
    if wanted.most_score is not None:
        yield column.score_rank.between(-wanted.most_score, 0.0)
    if wanted.waiting_days is not None:
        yield column.enqueued_at <= now - timedelta(days=wanted.waiting_days)
    if wanted.state == "open" and wanted.seller_id is None and not wanted.search:
        yield column.exemplar.is_(None)
    if wanted.due_hours is not None:
        yield column.due_at <= now + timedelta(hours=wanted.due_hours)
    if wanted.free_for is not None:
        yield or_(column.holder.is_(None), column.holder == wanted.free_for, column.lease_expires_at <= now)


def list_cases(
    engine: Engine,
    *,
    state: str | None = "open",
    brand: str | None = None,
    seller_id: str | None = None,
    limit: int = 50,
    after: int | None = None,
    now: datetime | None = None,
) -> list[Case]:
    """Return cases, the most suspicious first; those that the model could not judge come last.

    Parameters
    ----------
    state : {"open", "decided", "escalated"} or None, default="open"
        None for any.
    brand, seller_id : str, optional
        Only cases of this brand, as the listing names it, or of this seller.
    limit : int, default=50
        Most cases to return.
    after : int, optional
        Number of the last case on the page before.
    now : datetime, default=the clock
        Moment at which a claim must be live to be shown.

    Raises
    ------
    CaseNotFound
        There is no case `after`.
    """
    wanted = Filter(state=state, brand=brand, seller_id=seller_id)
    return browse(engine, wanted, limit=limit, after=after, now=now)


def seller_cases(engine: Engine, seller_id: str, limit: int = 20, *, now: datetime | None = None) -> list[Case]:
    """Return the cases of a seller in any state, the most suspicious first."""
    return list_cases(engine, state=None, seller_id=seller_id, limit=limit, now=now)
