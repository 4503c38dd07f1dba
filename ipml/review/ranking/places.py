"""Why a case stands where it does in the queue, in sentences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, select, tuple_

from ipml.review.cases import count_waiting, find_case
from ipml.review.ranking.ranking import Order, current_ranking
from ipml.review.ranking.worth import Worth, read_worth
from ipml.storage.database import reading
from ipml.storage.tables import cases

_ORDERS = {Order.SCORE: "score", Order.VALUE: "value per minute", Order.FIFO: "time of arrival"}
_LAST_PLACE, _MOST_COUNTED = 2_000, 10_000  # further down the queue a place is not worth counting
_SURE = 0.999  # a score below 1 is never said to be 100 %
_ASSUMED = {
    "probability": "the model could not judge it: the usual share of counterfeits stands in",
    "price": "its price is not known: the usual one stands in",
    "sales": "its sales are not known: the usual ones stand in",
}


def explain_place(
    engine: Engine, case_id: int, *, state: str | None = None, now: datetime | None = None
) -> tuple[str, ...]:
    """Return sentences that say why a case stands where it does; CaseNotFound if there is none of that number.

    Parameters
    ----------
    state : str, default=that of the case
        As which it is shown: a further look at a decided case must not be told from an open one.
    now : datetime, default=the clock

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> listing = Listing("A7", "s1", "Bag", price=340.0, currency="EUR", seller_sales=9, seller_age_days=60)
    >>> noon = datetime(2024, 5, 6, 12, tzinfo=UTC)
    >>> _ = enqueue(engine, [ScoredListing(listing, 0.12, -2.0, (), (), None, "m")], due_at=noon + timedelta(hours=3))
    >>> for sentence in explain_place(engine, 1, now=noon):
    ...     print(sentence)
    1st of 1 by score
    due in 3 h
    12 % likely × 340 EUR × 3.5 sales until the next look = 143 EUR of harm
    less 1.00 EUR for 2 minutes of review and 1.76 EUR for wrongful removals: worth 70 EUR a minute
    """
    now = now or datetime.now(UTC)
    with reading(engine) as connection:
        row = find_case(connection, case_id)
        state = state or row.state
        stands_alone = state == "open" and row.exemplar is None
        sentences = [_say_place(connection, row), *_say_alike(connection, case_id)] if stands_alone else []
    if row.due_at is not None and state != "decided":
        sentences.append(_say_due(row.due_at, now))
    return (*sentences, *(_say_worth(read_worth(row.worth)) if row.worth else ()))


def _say_place(connection: Connection, row: Row[object]) -> str:
    before = tuple_(cases.c.rank, cases.c.case_id) < tuple_(row.rank, row.case_id)
    place, total = _count(connection, _LAST_PLACE, before), _count(connection, _MOST_COUNTED)
    where = f"{_ordinal(place + 1)} of" if place < _LAST_PLACE else f"after the first {_LAST_PLACE:,} of"
    size = f"{total:,}" if total < _MOST_COUNTED else f"{_MOST_COUNTED:,} or more"
    return f"{where} {size} by {_ORDERS[current_ranking(connection).order]}"


def _count(connection: Connection, most: int, *conditions: ColumnElement[bool]) -> int:
    """Count open cases, at most so many: a database that has just ranked all of them counts slowly."""
    is_shown = (cases.c.state == "open", cases.c.exemplar.is_(None))
    found = select(cases.c.case_id).where(*is_shown, *conditions).order_by(cases.c.rank).limit(most)
    return connection.scalar(select(func.count()).select_from(found.subquery())) or 0


def _say_alike(connection: Connection, case_id: int) -> tuple[str, ...]:
    waiting = count_waiting(connection, [case_id]).get(case_id, 0)
    return (f"earlier for {waiting} of its near-duplicates that wait for it",) if waiting else ()


def _say_due(due_at: datetime, now: datetime) -> str:
    return f"due in {_span(due_at - now)}" if due_at > now else f"overdue by {_span(now - due_at)}"


def _say_worth(worth: Worth) -> tuple[str, ...]:
    """Return the parts of a worth; factors of 1 are left out."""
    weights = (("severity of the category", worth.severity), ("weight of the brand", worth.brand_weight))
    factors = [
        f"{100 * min(worth.probability, _SURE):.3g} % likely",
        _money(worth.price, worth.currency),
        f"{worth.sales:,.3g} sales until the next look",
        *(f"{weight:g} for {name}" for name, weight in weights if weight != 1),
    ]
    expected = worth.probability * worth.harm
    cost = _money(worth.review_cost, worth.currency)
    mistakes = _money(expected - worth.review_cost - worth.value, worth.currency)
    return (
        f"{' × '.join(factors)} = {_money(expected, worth.currency)} of harm",
        f"less {cost} for {worth.minutes:g} minutes of review and {mistakes} for wrongful removals: "
        f"worth {_money(worth.per_minute, worth.currency)} a minute",
        *(_ASSUMED[name] for name in worth.assumed),
    )


def _money(amount: float, currency: str) -> str:
    """Return a sum as a person says it.

    Examples
    --------
    >>> _money(1234.5, "EUR"), _money(-0.25, "EUR"), _money(0, "EUR")
    ('1,234 EUR', '-0.25 EUR', '0.00 EUR')
    """
    return f"{amount:,.0f} {currency}" if abs(amount) >= 10 else f"{amount:.2f} {currency}"


def _ordinal(place: int) -> str:
    """Return a place as it is said.

    Examples
    --------
    >>> [_ordinal(place) for place in (1, 2, 3, 11, 22, 1013)]
    ['1st', '2nd', '3rd', '11th', '22nd', '1,013th']
    """
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place:,}{ending}"


def _span(span: timedelta) -> str:
    """Return how long something lasts, in the unit that fits.

    Examples
    --------
    >>> _span(timedelta(minutes=50)), _span(timedelta(hours=30)), _span(timedelta(days=9))
    ('50 min', '30 h', '9 days')
    """
    minutes = int(span.total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // 1440} days"
