"""Queue order: by score, by value per minute of review, or first in, first out.

The last row of `rankings` holds the order and policy in force, with medians of price and sales by brand and category.
Incoming cases are ranked by it at once; `rerank` changes it. `explain_place` explains a case's place.
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    ScalarSelect,
    Select,
    bindparam,
    case,
    func,
    insert,
    select,
    true,
    tuple_,
    update,
)

from ipml.kit.moments import to_microseconds
from ipml.records import Listing
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.cases import PENDING, StoredCase, is_listed
from ipml.review.near_duplicates.clusters import count_in, count_waiting
from ipml.review.ranking.list_marks import ListMark, QueueParts, has_entries, make_parts
from ipml.review.ranking.policy import (
    ExpectedValue,
    Policy,
    Usual,
    compute_expected_value,
    load_policy,
    price_of,
    read_expected_value,
    sales_a_day,
    usual_keys,
)
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import cases, rankings

_FEWEST = 5  # listings required for a median
_MOST_NAMES = 1000  # brands and categories with medians: those with most listings


class MedianCounter:
    """Collects listings for their medians."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._prices: dict[str, array[float]] = defaultdict(lambda: array("d"))
        self._sales: dict[str, array[float]] = defaultdict(lambda: array("d"))

    def add(self, listing: Listing) -> None:
        """Count one listing."""
        price, sales = price_of(listing, self._policy), sales_a_day(listing, self._policy)
        for key in usual_keys(listing):
            if price is not None:
                self._prices[key].append(min(price, self._policy.most_price))
            if sales is not None:
                self._sales[key].append(sales)

    def medians(self) -> Usual:
        """Return the medians of all names with at least five listings."""
        return Usual(_medians(self._prices), _medians(self._sales))


def _medians(counted: dict[str, array[float]]) -> dict[str, float]:
    common = sorted(counted, key=lambda name: (-len(counted[name]), name))[:_MOST_NAMES]
    return {name: median(counted[name]) for name in common if len(counted[name]) >= _FEWEST}


_BATCH_SIZE = 1000
_SAMPLE_SIZE = 20_000  # newest cases used for medians
_SYSTEM = "ipml"  # the actor of automatic events
_LAST_RANK = 1.0  # after every score, whose rank is its negative


class QueueOrder(StrEnum):
    """Criteria that sort the queue."""

    SCORE = "score"
    VALUE = "value"
    FIFO = "fifo"


@dataclass(frozen=True, slots=True)
class QueueRanking:
    """An order with its policy and medians; `ranking_id` and `at` are None until somebody chooses one."""

    ranking_id: int | None
    order: QueueOrder
    policy: Policy
    usual: Usual
    at: datetime | None = None


_LAST_RANKING = select(rankings).order_by(rankings.c.ranking_id.desc()).limit(1)


def _select_ranking_and_entries() -> Select[Any]:
    latest, there = _LAST_RANKING.subquery(), select(*has_entries(bindparam("now"))).subquery()
    return select(latest, there).select_from(there.outerjoin(latest, true()))


# Built once, since building a query takes longer than running it.
_RANKING_AND_ENTRIES = _select_ranking_and_entries()


def current_ranking(connection: Connection) -> QueueRanking:
    """Return the ranking in force: the last one chosen, or by score under the bundled policy."""
    return _read_ranking(connection.execute(_LAST_RANKING).first())


def find_current_parts(connection: Connection, now: datetime) -> QueueParts:
    """Return the parts of the queue at a moment, by the policy and the entries in force."""
    return find_ranking_and_parts(connection, now)[1]


def find_ranking_and_parts(connection: Connection, now: datetime) -> tuple[QueueRanking, QueueParts]:
    """Return the ranking in force, and its parts of the queue at a moment."""
    row = connection.execute(_RANKING_AND_ENTRIES, {"now": now}).one()
    ranking = _read_ranking(row)
    return ranking, make_parts(row, ranking.policy.lists, now)


def _read_ranking(row: Row[Any] | None) -> QueueRanking:
    if row is None or row.ranking_id is None:
        return QueueRanking(None, QueueOrder.SCORE, load_policy(), Usual())
    policy, usual = Policy.from_text(row.policy), Usual(**json.loads(row.usual))
    return QueueRanking(row.ranking_id, QueueOrder(row.order), policy, usual, row.at)


def rank_columns(
    ranking: QueueRanking,
    listing: Listing,
    score: float | None,
    enqueued_at: datetime,
    *dues: datetime | None,
) -> dict[str, Any]:
    """Return the columns of a case for expected value, ranks and earliest deadline.

    `score` is the probability that ranks the case (`expect`). `dues` are deadlines besides the policy's for the
    category.
    """
    dues = (*dues, ranking.policy.deadline_of(listing.category, enqueued_at))
    expected_value = compute_expected_value(listing, score, ranking.policy, ranking.usual)
    ranks = make_ranks(expected_value, score, enqueued_at)
    return {
        "value": expected_value.value,
        "expected_value": expected_value.text,
        "minutes": expected_value.minutes,
        "due_at": min((due for due in dues if due is not None), default=None),
        "score_rank": ranks[QueueOrder.SCORE],
        "value_rank": ranks[QueueOrder.VALUE],
        "rank": ranks[ranking.order],
    }


def expect(score: float | None, match_precision: float | None) -> float | None:
    """Return the probability that ranks a case: its score, or the precision of its match if higher.

    >>> expect(0.02, 0.9), expect(0.95, 0.9), expect(0.02, None), expect(None, 0.9)
    (0.9, 0.95, 0.02, 0.9)
    """
    return score if match_precision is None else max(match_precision, -1.0 if score is None else score)


def make_ranks(expected_value: ExpectedValue, score: float | None, enqueued_at: datetime) -> dict[QueueOrder, float]:
    """Return a case's rank in each order; smaller ranks are reviewed earlier."""
    return {
        QueueOrder.SCORE: _LAST_RANK if score is None else -score,
        QueueOrder.VALUE: -expected_value.per_minute,
        QueueOrder.FIFO: float(to_microseconds(enqueued_at)),
    }


def rerank(
    engine: Engine,
    order: QueueOrder,
    policy: Policy,
    *,
    now: datetime,
    actor: str,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Put an order and a policy in force, and rank every undecided case by them; return their number.

    The choice and its audit event are one transaction; the cases follow a thousand at a time, so reviewers can go on.
    Claims do not change. Cases arriving meanwhile get the new order; after an interruption, run it again. Deadlines are
    only brought forward. `progress` gets the number of cases ranked so far.
    """
    with writing(engine) as connection:
        measured = QueueRanking(None, order, policy, measure_usual(connection, policy))
        ranking = choose_ranking(connection, measured, now=now, actor=actor)
    ranked, last = 0, 0
    while batch := _rank_batch(engine, ranking, after=last):
        ranked, last = ranked + len(batch), batch[-1]
        progress(ranked)
    with writing(engine) as connection:
        audit.append(connection, actor, "reranked", _subject(ranking), {"cases": ranked}, at=now)
    return ranked


def choose_ranking(connection: Connection, ranking: QueueRanking, *, now: datetime, actor: str) -> QueueRanking:
    """Append a row that puts a ranking in force for incoming cases; return it with its number."""
    order, policy = ranking.order.value, ranking.policy
    row = {"at": now, "actor": actor, "order": order, "policy_digest": policy.digest, "policy": policy.text}
    query = insert(rankings).values(**row, usual=ranking.usual.text).returning(rankings.c.ranking_id)
    ranking = replace(ranking, ranking_id=connection.scalars(query).one())
    payload: dict[str, audit.Value] = {"order": order, "policy": policy.digest}
    audit.append(connection, actor, "ranking chosen", _subject(ranking), payload, at=now)
    return ranking


def start_ranking(engine: Engine, policy: Policy, now: datetime) -> None:
    """Put a policy in force, in the order by score, unless it is the bundled one or a ranking was chosen before."""
    with reading(engine) as connection:
        current = current_ranking(connection)
    if current.ranking_id is None and current.policy != policy:
        with writing(engine) as connection:
            choose_ranking(connection, replace(current, policy=policy), now=now, actor=_SYSTEM)


def measure_usual(connection: Connection, policy: Policy) -> Usual:
    """Return the medians of price and sales by brand and category over the newest undecided cases."""
    counting = MedianCounter(policy)
    newest = select(cases.c.snapshot).where(cases.c.state == "open").order_by(cases.c.case_id.desc())
    query = newest.limit(_SAMPLE_SIZE).execution_options(yield_per=_BATCH_SIZE)
    for snapshot in connection.scalars(query):
        counting.add(decode_listing(snapshot))
    return counting.medians()


def rank_again(
    connection: Connection,
    rows: Sequence[StoredCase],
    ranking: QueueRanking | None = None,
    *,
    waiting: Mapping[int, int] | None = None,
    also: Sequence[str] = (),
) -> None:
    """Rank cases that changed or came back by the ranking in force.

    `ranking` and `waiting` (near-duplicates by case) may be passed if already read. `also` names changed columns to
    store with the ranks.
    """
    if not rows:
        return
    ranking = ranking or current_ranking(connection)
    waiting = count_waiting(connection, [row.case_id for row in rows]) if waiting is None else waiting
    changed = ({name: getattr(row, name) for name in also} for row in rows)
    ranked = _rank_rows(ranking, rows, waiting)
    _update_all(connection, [one | columns for one, columns in zip(ranked, changed, strict=True)])


def _rank_rows(
    ranking: QueueRanking, rows: Sequence[StoredCase | Row[Any]], waiting: Mapping[int, int]
) -> Iterator[dict[str, Any]]:
    for row in rows:
        listing, score = decode_listing(row.snapshot), expect(row.score, row.match_precision)
        columns = rank_columns(ranking, listing, score, row.enqueued_at, row.due_at)
        yield columns | {"number": row.case_id, "rank": count_in(columns["rank"], waiting.get(row.case_id, 0))}


def _rank_batch(engine: Engine, ranking: QueueRanking, after: int) -> list[int]:
    names = ("case_id", "snapshot", "score", "enqueued_at", "due_at", "match_precision")
    query = select(*(cases.c[name] for name in names))
    query = query.where(cases.c.state.in_(PENDING), cases.c.case_id > after).order_by(cases.c.case_id)
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)  # intake locks many cases too, in another order
        rows = connection.execute(query.limit(_BATCH_SIZE).with_for_update()).all()
        waiting = count_waiting(connection, [row.case_id for row in rows])
        _update_all(connection, _rank_rows(ranking, rows, waiting))
    return [row.case_id for row in rows]


def _update_all(connection: Connection, changes: Iterable[dict[str, Any]]) -> None:
    changes = list(changes)
    if changes:
        connection.execute(update(cases).where(cases.c.case_id == bindparam("number")), changes)


def _subject(ranking: QueueRanking) -> str:
    return f"ranking:{ranking.ranking_id}"


_ORDERS = {QueueOrder.SCORE: "score", QueueOrder.VALUE: "value per minute", QueueOrder.FIFO: "time of arrival"}
_LAST_PLACE = _MOST_COUNTED = 2_000  # later places are not counted, nor more cases
_SURE = 0.999  # a score below 1 is never shown as 100 %
_ASSUMED = {
    "probability": "the model could not judge it: the usual share of counterfeits is used",
    "price": "its price is not known: the usual one is used",
    "sales": "its sales are not known: the usual ones are used",
}


def explain_place(
    connection: Connection,
    row: StoredCase,
    ranking: QueueRanking,
    parts: QueueParts,
    marks: Sequence[ListMark],
) -> tuple[str, ...]:
    """Return sentences that explain a case's place at the moment of the parts.

    `row` comes from `ipml.review.cases.find_case_with_waiting`, `ranking` and `parts` from `find_ranking_and_parts`.
    Its state is the one shown: a second review of a decided case must look like an open case.

    >>> from datetime import UTC
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.cases import find_case_with_waiting
    >>> from ipml.review.arrivals.intake import enqueue
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> listing = Listing("A7", "s1", "Bag", price=340.0, currency="EUR", seller_sales=9, seller_age_days=60)
    >>> noon = datetime(2024, 5, 6, 12, tzinfo=UTC)
    >>> _ = enqueue(engine, [ScoredListing(listing, 0.12, -2.0, (), (), None, "m")], due_at=noon + timedelta(hours=3))
    >>> with reading(engine) as connection:
    ...     row = find_case_with_waiting(connection, 1)
    ...     ranking, parts = find_ranking_and_parts(connection, noon)
    ...     print(*explain_place(connection, row, ranking, parts, ()), *explain_value(row), sep=chr(10))
    1st of 1 by score
    due in 3 h
    Expected harm 143 EUR, value of the review 70 EUR a minute
    12 % likely × 340 EUR × 3.5 sales until the next review = 143 EUR of harm
    less 1.00 EUR for 2 minutes of review and 1.76 EUR for wrongful removals: expected value 70 EUR a minute
    """
    stands_alone = row.state == "open" and row.exemplar is None
    sentences = _say_place(connection, row, ranking, parts, marks) if stands_alone else []
    if stands_alone and row.match_precision is not None and row.match_precision > (row.score or 0.0):
        sentences.append(f"as if its score were {100 * row.match_precision:.0f} %: so often is such a match right")
    if stands_alone and row.n_waiting:
        sentences.append(f"earlier for {row.n_waiting} of its near-duplicates that wait for it")
    if row.due_at is not None and row.state != "decided":
        left = row.due_at - parts.now
        sentences.append(f"due in {_span(left)}" if left > timedelta() else f"overdue by {_span(-left)}")
    return tuple(sentences)


def explain_value(row: StoredCase) -> tuple[str, ...]:
    """Return a sentence on the expected value of a case's review, then its calculation; nothing if unknown."""
    return _say_expected_value(read_expected_value(row.expected_value)) if row.expected_value else ()


def _say_place(
    connection: Connection, row: StoredCase, ranking: QueueRanking, parts: QueueParts, marks: Sequence[ListMark]
) -> list[str]:
    conditions, number, now = parts.conditions(), parts.place(marks), parts.now
    before = tuple_(cases.c.rank, cases.c.case_id) < tuple_(row.rank, row.case_id)
    ahead = [_count(_LAST_PLACE, now, condition) for condition in conditions[:number]]  # each uses its own index
    ranked = _count(_LAST_PLACE, now, conditions[number], before, in_order=True)
    *places, total = connection.execute(select(*ahead, ranked, _count(_MOST_COUNTED, now, in_order=True))).one()
    place = sum(places)
    where = f"{_ordinal(place + 1)} of" if place < _LAST_PLACE else f"after the first {_LAST_PLACE:,} of"
    size = f"{total:,}" if total < _MOST_COUNTED else f"{_MOST_COUNTED:,} or more"
    said = [f"{where} {size} by {_ORDERS[ranking.order]}"]
    for turn, kinds in (("before", parts.earlier), ("after", parts.later)):
        if moved := [str(mark) for mark in marks if mark.kind in kinds]:
            return [*said, f"{turn} the others, as its seller is {' and '.join(moved)}"]
    return said


def find_part(connection: Connection, case_id: int, conditions: Sequence[ColumnElement[bool]]) -> int:
    """Return the part of the queue of a case, from 0; see `ipml.review.ranking.list_marks.QueueParts`."""
    if len(conditions) == 1:
        return 0
    query = select(*(case((condition, 1), else_=0) for condition in conditions)).where(cases.c.case_id == case_id)
    return list(connection.execute(query).one()).index(1)


def _count(most: int, now: datetime, *conditions: ColumnElement[bool], in_order: bool = False) -> ScalarSelect[int]:
    """Count open cases up to a limit: a database that has just ranked all of them counts slowly."""
    is_shown = (cases.c.state == "open", *is_listed(cases, now))
    found = select(cases.c.case_id).where(*is_shown, *conditions).limit(most)
    found = found.order_by(cases.c.rank) if in_order else found
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


def _say_expected_value(expected_value: ExpectedValue) -> tuple[str, ...]:
    """Return the parts of an expected value; factors of 1 are left out."""
    weights = (
        ("severity of the category", expected_value.severity),
        ("weight of the brand", expected_value.brand_weight),
    )
    factors = [
        f"{100 * min(expected_value.probability, _SURE):.3g} % likely",
        _money(expected_value.price, expected_value.currency),
        f"{expected_value.sales:,.3g} sales until the next review",
        *(f"{weight:g} for {name}" for name, weight in weights if weight != 1),
    ]
    expected = expected_value.probability * expected_value.harm
    cost = _money(expected_value.review_cost, expected_value.currency)
    mistakes = _money(expected - expected_value.review_cost - expected_value.value, expected_value.currency)
    per_minute = _money(expected_value.per_minute, expected_value.currency)
    return (
        f"Expected harm {_money(expected, expected_value.currency)}, value of the review {per_minute} a minute",
        f"{' × '.join(factors)} = {_money(expected, expected_value.currency)} of harm",
        f"less {cost} for {expected_value.minutes:g} minutes of review and {mistakes} for wrongful removals: "
        f"expected value {per_minute} a minute",
        *(_ASSUMED[name] for name in expected_value.assumed),
    )


def _money(amount: float, currency: str) -> str:
    """Return an amount for a sentence.

    >>> _money(1234.5, "EUR"), _money(-0.25, "EUR"), _money(0, "EUR")
    ('1,234 EUR', '-0.25 EUR', '0.00 EUR')
    """
    return f"{amount:,.0f} {currency}" if abs(amount) >= 10 else f"{amount:.2f} {currency}"


def _ordinal(place: int) -> str:
    """Return a place as an ordinal, such as "22nd" or "1,013th"."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place:,}{ending}"


def _span(span: timedelta) -> str:
    """Return a duration in a fitting unit, such as "50 min", "30 h" or "9 days"."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} days"
