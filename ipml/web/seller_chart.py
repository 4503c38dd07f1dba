"""A seller as the page tells of them: each figure when the listing was seen and now, and the listings over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from sqlalchemy import Engine

from ipml.enforcement.penalties.book import Strike
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.records import Case, Listing
from ipml.review.seller_record import SellerRecord, read_seller_record
from ipml.web.wording import count, seller_history

_FIGURES = {
    "Listings": "seller_listings",
    "Sales": "seller_sales",
    "Returns": "seller_returns",
    "Complaints": "seller_complaints",
    "Rating": "seller_rating",
    "Strikes reported": "seller_strikes",
}
_KNOWN = (*_FIGURES.values(), "seller_age_days")
_MOST_POINTS = 200
_SHORTEST = timedelta(hours=1)
_MARGIN = 2.0  # percent of the width, so that a mark at an end is not cut

Series = Sequence[tuple[datetime, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """A figure over time, from its first value to its last; the axis ends with the last.

    Attributes
    ----------
    points : str
        The points of its line, in a square of 100 by 100.
    was, now : str
        The first and the last value, written out.
    """

    points: str
    was: str
    now: str
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a seller: when the listing was seen, now, and in between, where it was seen more than once."""

    noun: str
    when_listed: str
    now: str
    line: Line | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A listing that was seen, and where it stands in percent of the width; `kind` is "listed" or its verdict."""

    at: float
    kind: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The listings of a seller from the first that was seen to the last; `sentence` says the same in words."""

    first: datetime
    last: datetime
    marks: tuple[Mark, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class SellerCard:
    """What is known of a seller.

    Attributes
    ----------
    seen_at, last_seen_at : datetime
        When the listing was seen, and when the seller was last seen with any.
    timeline : Timeline or None
        None where all listings were seen at one moment.
    """

    rows: tuple[Row, ...]
    seen_at: datetime
    last_seen_at: datetime
    timeline: Timeline | None


def read_seller_card(engine: Engine, case: Case, hidden: Collection[int], now: datetime | None = None) -> SellerCard:
    """Return what is known of the seller of a case; nothing of what was decided on hidden cases."""
    seller_id = case.scored.listing.seller_id
    strikes = [strike for strike in list_strikes(engine, seller_id) if strike.case_id not in hidden]
    return make_seller_card(case, read_seller_record(engine, seller_id, hidden), strikes, now or datetime.now(UTC))


def make_seller_card(case: Case, record: SellerRecord, strikes: Collection[Strike], now: datetime) -> SellerCard:
    """Tell what was known of the seller of a case when its listing was seen, and what is known now.

    "Strikes" are those that count by the database; what the marketplace reported with its listings is a row of its own,
    for the two are counted by different people.

    Parameters
    ----------
    strikes : collection of Strike
        All of the seller's.
    """
    seen_at, listing = case.scored.listing.observed_at or case.enqueued_at, case.scored.listing
    seen = {noun: _values(record, field) for noun, field in _FIGURES.items()}
    counted = _count_over_time(strikes, now)
    then, latest = dict(seller_history(listing)), dict(seller_history(_latest(record, listing)))
    if latest or strikes:
        then["Strikes"], latest["Strikes"] = (_in_force(strikes, at) for at in (seen_at, now))
    rows = [
        Row(noun, then.get(noun, "unknown"), phrase, _draw(noun, counted if noun == "Strikes" else seen.get(noun, ())))
        for noun, phrase in latest.items()
    ]
    last_seen_at = max([seen_at, *(look.at for look in record.looks)])
    return SellerCard(tuple(rows), seen_at, last_seen_at, _make_timeline(record))


def _latest(record: SellerRecord, listing: Listing) -> Listing:
    """Return a listing with each figure of its seller as it was last known."""
    known = {name: getattr(listing, name) for name in _KNOWN}
    for look in record.looks:
        known |= {name: value for name in _KNOWN if (value := getattr(look.listing, name)) is not None}
    return replace(listing, **known)


def _in_force(strikes: Collection[Strike], at: datetime) -> str:
    number = sum(strike.counts_at(at) for strike in strikes)
    return f"{number:,}" if number else "none"


def _count_over_time(strikes: Collection[Strike], now: datetime) -> Series:
    """Return how many strikes counted after each moment until now at which that changed."""
    changes: Counter[datetime] = Counter()
    for strike in strikes:
        ends = strike.expires_at if strike.taken_back_at is None else min(strike.expires_at, strike.taken_back_at)
        if strike.struck_at < ends:
            changes[strike.struck_at] += 1
            changes[ends] -= 1
    moments = sorted(at for at in changes if at <= now)
    counts = accumulate(changes[at] for at in moments)
    return [*((at, 0.0) for at in moments[:1]), *zip(moments, map(float, counts), strict=True)]


def _values(record: SellerRecord, field: str) -> Series:
    values = ((look.at, getattr(look.listing, field)) for look in record.looks)
    return [(at, value) for at, value in values if value is not None]


def _draw(noun: str, values: Series) -> Line | None:
    """Return the line of a figure that was seen at two moments or more."""
    if not values or values[-1][0] - values[0][0] < _SHORTEST:
        return None
    first, last = values[0][0], values[-1][0]
    highest = max(value for _, value in values) or 1.0
    drawn = [*values[: -1 : len(values) // _MOST_POINTS + 1], values[-1]]
    points = " ".join(f"{_place(at, first, last):.1f},{95 - 90 * max(value, 0.0) / highest:.1f}" for at, value in drawn)
    was, now = (f"{100 * value:.0f} %" if noun == "Rating" else f"{value:,.0f}" for _, value in (values[0], values[-1]))
    return Line(points, was, now, first, last)


def _make_timeline(record: SellerRecord) -> Timeline | None:
    moments = [look.at for look in record.looks]
    if not moments or max(moments) - min(moments) < _SHORTEST:
        return None
    first, last = min(moments), max(moments)
    verdicts = {said.case_id: said.verdict.value for said in record.verdicts}
    marks = [
        Mark(_place(look.at, first, last), verdicts.get(look.case_id, "listed").replace(" ", "-"))
        for look in record.looks
    ]
    told = [count(len(record.looks), "case"), *_count_kinds([said.verdict.value for said in record.verdicts])]
    return Timeline(first, last, tuple(marks), ", ".join(told))


def _place(at: datetime, first: datetime, last: datetime) -> float:
    return _MARGIN + (100 - 2 * _MARGIN) * ((at - first) / (last - first))


def _count_kinds(verdicts: Sequence[str]) -> Iterable[str]:
    return (f"{verdicts.count(kind)} found {kind}" for kind in ("counterfeit", "genuine") if kind in verdicts)
