"""Search: finds cases by words and filters, page by page; and a seller's record.

Words match parts of words in title, brand, listing id and seller id, alike on every database. The folded text is in a
narrow table: scanning it at 100,000 cases takes a tenth of a page's time. A page's case numbers are found first, by
index where there is one; only the fifty cases shown are read whole.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
)

from ipml.errors import Refused
from ipml.records import Case, Listing, ScoredListing, Verdict
from ipml.review.arrivals.snapshot import decode_listing, is_storable
from ipml.review.cases import (
    LARGEST_NUMBER,
    PENDING,
    SELECT_CASES,
    StoredCase,
    find_case,
    is_awake,
    make_case,
    read_cases,
)
from ipml.review.claims import select_hidden
from ipml.review.ranking.list_marks import QueueParts
from ipml.review.ranking.queue_order import find_current_parts, find_part
from ipml.review.reversals import is_last_verdict, stands
from ipml.storage.tables import case_texts, cases, decisions

MOST_WORDS = 8
_LONGEST_TITLE = 1_000
_UNSEEN = ("Mn", "Me", "Cf", "Cc", "Cs")
_FEW, _FEW_NARROWED = 1_000, 250
_NAMED = ("seller_id", "assigned_to", "brand", "category", "queue_id")


def fold_text(text: str) -> str:
    """Return a text without case, accents, invisible letters and width, so that alike words match.

    >>> fold_text("  R\\u00e9plica  N\\u200b\\uff29ke ")
    'replica nike'
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.lower().split())
    # A line break is a control character too, but separates words.
    parted = unicodedata.normalize("NFKD", " ".join(text.split()))
    letters = (letter for letter in parted if unicodedata.category(letter) not in _UNSEEN)
    return " ".join(unicodedata.normalize("NFKC", "".join(letters).casefold()).split())


def searched_text(scored: ScoredListing) -> str:
    """Return the text that searches look through."""
    listing = scored.listing
    title = [listing.title[:_LONGEST_TITLE], *filter(None, [scored.read_as])]
    said = [*title, listing.listing_id, listing.seller_id, listing.brand or ""]
    return "\n".join(map(fold_text, said)).replace("\0", "")


def split_words(search: str) -> tuple[str, ...]:
    """Return the words that a case must all contain, at most eight."""
    return tuple(fold_text(search).split()[:MOST_WORDS])


def contains_words(words: Sequence[str], text: ColumnElement[str] = case_texts.c.text) -> ColumnElement[bool]:
    """Return the condition that a text contains all of the words."""
    return and_(*(text.contains(word, autoescape=True) for word in words))


def find_few_matches(connection: Connection, words: Sequence[str]) -> list[int] | None:
    """Return the numbers of the cases that contain all of the words; None if more than 1,000."""
    found = connection.scalars(select(case_texts.c.case_id).where(contains_words(words)).limit(_FEW + 1)).all()
    return None if len(found) > _FEW else list(found)


ORDERS = {"rank": "rank", "value": "value_rank", "score": "score_rank", "first come": "enqueued_at"}
"""Columns of `cases` that sort a list, ascending; "rank" is the queue's working order."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions on listed cases; None or empty means no condition.

    Near-duplicates that wait for another case are listed only by seller, by words, or in any state.

    Attributes
    ----------
    state : {"open", "decided", "escalated"} or None, default="open"
    brand, seller_id, category : str or None
        As the listing names them.
    search : str, default=""
        Words of title, brand, listing id or seller id; a case must contain all.
    least_score, most_score : float or None
        Bounds in 0-1, which exclude cases without a score.
    waiting_days, waited_days : float or None
        Least and most time in the queue.
    due_hours : float or None
        Longest time until the deadline; includes overdue cases.
    free_for : str or None
        Only cases not held by anybody else.
    held : bool, default=False
        Only cases that somebody holds.
    verdict, reviewer : str or None
        Verdict in force, and its author.
    decided_since, decided_before : datetime or None
        Moments between which the verdict in force was given, the second excluded.
    snoozed : bool, default=False
        Only snoozed cases, which other lists of open cases show only by seller or words.
    hidden_from : str or None
        Excludes cases that this user has for blind second review.
    """

    state: str | None = "open"
    brand: str | None = None
    seller_id: str | None = None
    category: str | None = None
    search: str = ""
    least_score: float | None = None
    most_score: float | None = None
    waiting_days: float | None = None
    waited_days: float | None = None
    due_hours: float | None = None
    held: bool = False
    free_for: str | None = None
    verdict: str | None = None
    reviewer: str | None = None
    decided_since: datetime | None = None
    decided_before: datetime | None = None
    assigned_to: str | None = None
    snoozed: bool = False
    queue_id: int | None = None
    hidden_from: str | None = None


_OPEN = Filter()


def browse_cases(
    connection: Connection,
    selection: Filter = _OPEN,
    order: str = "rank",
    *,
    limit: int = 50,
    after: int | None = None,
    parts: QueueParts | None = None,
) -> list[Case]:
    """Return a page of the cases that match a filter.

    `order` is a key of `ORDERS`. `after` is the last case of the previous page. `parts`, read here by default, set the
    moment that decides which claims are live.

    Raises Refused if there is no such order; NotFound if there is no case `after`.
    """
    if order not in ORDERS:
        raise Refused("order of the list", repr(order), f"one of {', '.join(ORDERS)}")
    now = datetime.now(UTC) if parts is None else parts.now
    last = None if after is None else find_case(connection, after)
    if order != "rank" or selection.state not in PENDING:
        parts = QueueParts((), (), now)
    parts = parts or find_current_parts(connection, now)
    page = _Page(ORDERS[order], min(limit, LARGEST_NUMBER), last, now, parts)
    found: list[StoredCase] = []
    first = 0 if last is None else find_part(connection, last.case_id, page.parts.conditions())
    for number in range(first, len(page.parts.conditions())):
        numbers = _select_page(connection, selection, page.for_part(number, len(found), goes_on=number == first))
        if numbers is None or len(found) >= page.limit:
            break
        rows = read_cases(connection, SELECT_CASES.where(cases.c.case_id.in_(numbers)))
        found += sorted(rows, key=lambda case: (getattr(case, ORDERS[order]), case.case_id))
    return [make_case(case, now) for case in found]


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of a list: order, length, last case before it, moment and parts."""

    order: str
    limit: int
    last: StoredCase | None
    now: datetime
    parts: QueueParts
    number: int = 0

    def for_part(self, number: int, found: int, *, goes_on: bool) -> _Page:
        """Return the rest of the page for a part of the queue, after the cases found in earlier parts."""
        return replace(self, number=number, limit=self.limit - found, last=self.last if goes_on else None)

    def select_numbers(self, table: FromClause, selection: Filter) -> Select[tuple[int]]:
        """Return the query for case numbers from a table with the columns of `cases`."""
        is_by_score = self.order in ("rank", "score_rank")
        conditions = [
            *make_conditions(table, selection, self.now, is_by_score=is_by_score),
            self.parts.conditions(table)[self.number],
        ]
        if self.last is not None:
            last = tuple_(literal(getattr(self.last, self.order), table.c[self.order].type), self.last.case_id)
            conditions.append(tuple_(table.c[self.order], table.c.case_id) > last)
        order = table.c[self.order], table.c.case_id
        return select(table.c.case_id).where(*conditions).order_by(*order).limit(self.limit)


def _select_page(connection: Connection, selection: Filter, page: _Page) -> Select[tuple[int]] | None:
    """Return the query for the case numbers of a page; None if there can be none.

    If few cases contain the words, they are sorted; if many do, the list is read from its top until the page is full,
    which is soon. A planner cannot estimate words, so both plans are fixed here.
    """
    names = (selection.brand, selection.seller_id, selection.category, selection.reviewer)
    if not all(is_storable(name) for name in names if name):
        return None  # no case has such a text
    words = split_words(selection.search)
    few = find_few_matches(connection, words) if words else _find_few_narrowed(connection, selection, page)
    if few is None and not words:
        return page.select_numbers(cases, selection)
    if few is None:
        text = select(case_texts.c.text).where(case_texts.c.case_id == cases.c.case_id).scalar_subquery()
        return page.select_numbers(cases, selection).where(contains_words(words, text))
    columns = [column for column in cases.c if column.name != "snapshot"]
    picked = select(*columns).where(cases.c.case_id.in_(few)).cte("few").prefix_with("MATERIALIZED")
    return page.select_numbers(picked, selection) if few else None


def _find_few_narrowed(connection: Connection, selection: Filter, page: _Page) -> list[int] | None:
    """Return the cases within score bounds or with the names of a filter, to be sorted; None if they are many."""
    is_ranked = page.order == "rank"
    names = [cases.c[name] == value for name in _NAMED if (value := getattr(selection, name)) is not None]
    ways = []
    if (bounds := list(_bound_scores(cases.c.score_rank, selection))) and (names or not is_ranked):
        ways.append(bounds)
    if names and not is_ranked:
        ways.append([*names, *_bound_scores(_hide_from_planner(cases.c.score_rank), selection)])
    state = [] if selection.state is None else [cases.c.state == selection.state]
    for conditions in ways:
        # Each named case needs a look-up of its score, so reading the list until the page is full is soon quicker.
        few = _FEW_NARROWED if bounds and conditions is not bounds else _FEW
        found = connection.scalars(select(cases.c.case_id).where(*conditions, *state).limit(few + 1)).all()
        if len(found) <= few:
            return list(found)
    return None


def _hide_from_planner(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the value of a column as an expression, for which SQLite cannot choose the column's index."""
    return func.coalesce(column, column)


def _bound_scores(score_rank: ColumnElement[Any], selection: Filter) -> Iterator[ColumnElement[bool]]:
    if selection.least_score is not None:  # the score rank is the negative score
        yield score_rank <= -selection.least_score
    if selection.most_score is not None:
        yield score_rank.between(-selection.most_score, 0.0)


def make_conditions(
    table: FromClause, selection: Filter, now: datetime, *, is_by_score: bool = True
) -> Iterator[ColumnElement[bool]]:
    """Yield a filter's conditions, except words, on a table with the columns of `cases`.

    `is_by_score` is False if a score index is no help: a list in another order is read until the page is full.
    """
    column = table.c
    for name in ("state", "brand", "seller_id", "category"):
        if (value := getattr(selection, name)) is not None:
            yield column[name] == value
    if selection.state == "open" and selection.seller_id is None and not selection.search:
        yield column.exemplar.is_(None)  # the others are reviewed with their exemplar
        if not selection.snoozed:
            yield is_awake(table, now)
    if selection.snoozed:
        yield column.snoozed_until > now
        yield ~is_awake(table, now)
    if selection.queue_id is not None:
        yield column.queue_id == selection.queue_id
    if selection.assigned_to is not None:
        yield column.assigned_to == selection.assigned_to
    # Name indexes are more selective than those of scores and waiting time; SQLite does not know that.
    is_named = any(getattr(selection, name) is not None for name in _NAMED)
    score_rank = _hide_from_planner(column.score_rank) if is_named or not is_by_score else column.score_rank
    enqueued_at = _hide_from_planner(column.enqueued_at) if is_named else column.enqueued_at
    yield from _bound_scores(score_rank, selection)
    if selection.waiting_days is not None:
        yield enqueued_at <= now - timedelta(days=selection.waiting_days)
    if selection.waited_days is not None:
        yield enqueued_at > now - timedelta(days=selection.waited_days)
    if selection.held:
        yield column.holder.is_not(None)
        yield column.lease_expires_at > now
    if selection.due_hours is not None:
        yield column.due_at <= now + timedelta(hours=selection.due_hours)
    if are_theirs := list(make_verdict_conditions(selection)):
        yield column.case_id.in_(select(decisions.c.case_id).where(*are_theirs, is_last_verdict()))
    if selection.hidden_from is not None:
        yield column.case_id.not_in(select_hidden(selection.hidden_from))
    if selection.free_for is not None:
        yield or_(column.holder.is_(None), column.holder == selection.free_for, column.lease_expires_at <= now)


def make_verdict_conditions(selection: Filter) -> Iterator[ColumnElement[bool]]:
    """Yield a filter's conditions on the verdict in force, on the table `decisions`."""
    if selection.verdict is not None:
        yield decisions.c.verdict == selection.verdict
    if selection.reviewer is not None:
        yield decisions.c.reviewer == selection.reviewer
    if selection.decided_since is not None:
        yield decisions.c.decided_at >= selection.decided_since
    if selection.decided_before is not None:
        yield decisions.c.decided_at < selection.decided_before


_MOST_CASES = 60


@dataclass(frozen=True, slots=True)
class SellerListing:
    """A seller's listing with the seller history known when it was observed."""

    case_id: int
    at: datetime
    listing: Listing


@dataclass(frozen=True, slots=True)
class SellerVerdict:
    """A decision on a seller's listing."""

    case_id: int
    at: datetime
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class SellerRecord:
    """A seller's latest 60 cases in order of observation, and the decisions in force on them."""

    listings: tuple[SellerListing, ...]
    verdicts: tuple[SellerVerdict, ...]


def read_seller_record(connection: Connection, seller_id: str, hidden: Collection[int] = ()) -> SellerRecord:
    """Return a seller's record over time, without the decisions on `hidden` cases."""
    listings = _find_listings(connection, seller_id)
    numbers = [one.case_id for one in listings if one.case_id not in hidden]
    query = (
        select(decisions.c.case_id, decisions.c.decided_at, decisions.c.verdict)
        .where(decisions.c.case_id.in_(numbers), decisions.c.verdict != Verdict.ESCALATE, stands())
        .order_by(decisions.c.decision_id)
    )
    verdicts = [SellerVerdict(row.case_id, row.decided_at, Verdict(row.verdict)) for row in connection.execute(query)]
    return SellerRecord(tuple(sorted(listings, key=lambda one: (one.at, one.case_id))), tuple(verdicts))


def _find_listings(connection: Connection, seller_id: str) -> list[SellerListing]:
    # Case numbers come from an index; only the latest snapshots are read.
    latest = select(cases.c.case_id).where(cases.c.seller_id == seller_id).order_by(cases.c.case_id.desc())
    query = select(cases.c.case_id, cases.c.observed_at, cases.c.enqueued_at, cases.c.snapshot).where(
        cases.c.case_id.in_(latest.limit(_MOST_CASES))
    )
    return [
        SellerListing(row.case_id, row.observed_at or row.enqueued_at, decode_listing(row.snapshot))
        for row in connection.execute(query)
    ]
