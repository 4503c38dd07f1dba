"""Charts: small SVG charts, placed in percent by the server, without scripts or inline styles.

They show shares and rates of the dashboard, a price beside its reference, and a seller's figures and listings over
time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from sqlalchemy import Connection

from ipml.enforcement.penalties.standing import Strike
from ipml.records import Case, Listing, PriceRange
from ipml.review.quality.blind_reviews import SecondReviewSummary
from ipml.review.queue_metrics import Hits
from ipml.review.sampling.estimates import Estimates
from ipml.review.worklists.search import SellerRecord, read_seller_record
from ipml.web.phrases import count, money, percent, percent_range, seller_history


@dataclass(frozen=True, slots=True)
class ShareBar:
    """A share with its interval, in percent of the chart's width, from `n` reviews.

    `naive` is the share among reviewed cases alone, if it differs; `expected` are the expected bounds, if any. `query`
    lists the cases behind it.
    """

    name: str
    share: float
    low: float
    high: float
    n: int
    says: str
    bounds: str
    naive: str = ""
    expected: tuple[float, float] | None = None
    query: str = ""


def make_hit_bars(bands: Sequence[Hits]) -> tuple[ShareBar, ...]:
    """Make a bar with its interval for each band of scores."""
    return tuple(
        replace(
            _make_bar(_name_band(band), band.rate.share, band.rate.low, band.rate.high, band.judged),
            expected=None if band.low is None or band.high is None else (100 * band.low, 100 * band.high),
            query="" if band.low is None else f"state=decided&least={100 * band.low:g}&most={100 * (band.high or 1):g}",
        )
        for band in bands
    )


def _name_band(band: Hits) -> str:
    if band.low is None or band.high is None:
        return "brought by a notice or by likeness" if band.is_brought else "no score"
    return percent_range(band.low, band.high)


def make_estimate_bars(estimates: Estimates) -> tuple[ShareBar, ...]:
    """Make a bar with its interval for each figure with enough reviews."""
    return tuple(
        replace(
            _make_bar(figure.name.capitalize(), figure.value, figure.low, figure.high, figure.reviews),
            says=f"{100 * figure.value:.1f} %",
            bounds=f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %",
            naive="" if figure.naive is None else f"{100 * figure.naive:.1f} %",
        )
        for figure in estimates.figures
        if figure.value is not None and figure.low is not None and figure.high is not None
    )


def make_second_review_bars(listings: SecondReviewSummary) -> tuple[ShareBar, ...]:
    """Make a bar with its interval for each kind of second review that was given."""
    named = (
        ("Control cases judged rightly", listings.control),
        ("Own verdict given again", listings.repeats),
        ("Another's verdict given again", listings.audits),
    )
    return tuple(
        _make_bar(name, rate.share, rate.low, rate.high, round(rate.n)) for name, rate in named if rate is not None
    )


def _make_bar(name: str, share: float, low: float, high: float, n: int) -> ShareBar:
    return ShareBar(name, 100 * share, 100 * low, 100 * high, n, percent(share), percent_range(low, high))


_BASES = {
    "brand and category": " in this category",
    "brand file": ", from half to twice the price in the brand file",
}


@dataclass(frozen=True, slots=True)
class PriceLabel:
    """A label of a price line: its place in percent, the side it extends from there, and its row from the top."""

    at: float
    anchor: str
    row: int
    text: str


@dataclass(frozen=True, slots=True)
class PriceScale:
    """The marks of a price line, in percent of its width from the left.

    A price off the scale is at the right edge; `sentence` has the same in words. `labels` name the price above the
    line, the ends of the usual range below it, and below these the reference.
    """

    low: float
    median: float
    high: float
    price: float
    is_off_scale: bool
    sentence: str
    labels: tuple[PriceLabel, ...]


def make_price_scale(price: float | None, currency: str | None, usual: PriceRange | None) -> PriceScale | None:
    """Place a price on its range; None if the two cannot be compared.

    The line runs from 0 to a quarter above the usual range, so the same goods always look the same; higher prices are
    at its end. The share is that of the reason "price.brand", rounded alike.

    >>> scale = make_price_scale(20.0, "EUR", PriceRange("Acme", "EUR", 50.0, 80.0, 160.0))
    >>> scale.low, scale.median, scale.high, scale.price
    (25.0, 40.0, 80.0, 10.0)
    >>> scale.sentence
    '20.00 EUR is 25 % of the reference, 80.00 EUR; Acme usually costs 50.00 to 160.00 EUR.'
    """
    if price is None or usual is None or currency != usual.currency or not 0 < usual.median <= usual.high:
        return None
    end = 1.25 * usual.high
    sentence = (
        f"{money(price, currency)} is {100 * (price / usual.median):.0f} % of the reference, "
        f"{money(usual.median, usual.currency)}; {usual.brand} usually costs {usual.low:,.2f} to "
        f"{money(usual.high, usual.currency)}{_BASES.get(usual.basis or '', '')}."
    )
    low, median, high = (100 * value / end for value in (usual.low, usual.median, usual.high))
    here = 100 * min(max(price, 0.0) / end, 1.0)
    labels = (
        PriceLabel(here, _choose_anchor(here), 0, f"this listing {_write_price(price)}"),
        PriceLabel(low, "start" if low < _LOW_END else "end", 1, _write_price(usual.low)),
        PriceLabel(high, "start", 1, _write_price(usual.high)),
        PriceLabel(median, _choose_anchor(median), 2, f"reference {_write_price(usual.median)}"),
    )
    return PriceScale(low, median, high, here, price > end, sentence, labels)


_LOW_END = 20  # percent of the width, which the longest label needs


def _choose_anchor(at: float) -> str:
    """Return the anchor with which a long label stays within the line."""
    return "start" if at < 100 / 3 else "end" if at > 200 / 3 else "middle"


def _write_price(price: float) -> str:
    return f"{price:,.2f}" if price < 1_000 else f"{price:,.0f}"


_FIGURES = {
    "Listings": "seller_listings",
    "Sales": "seller_sales",
    "Returns": "seller_returns",
    "Complaints": "seller_complaints",
    "Rating": "seller_rating",
    "Strikes in all": "seller_strikes",
}
_KNOWN = (*_FIGURES.values(), "seller_age_days")
_MOST_POINTS = 200
_SHORTEST = timedelta(hours=1)
_MARGIN = 2.0  # percent of the width, so that a mark at an end is not cut

Series = Sequence[tuple[datetime, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """A figure over time: points in a square of 100 by 100, with first and last value and moment."""

    points: str
    was: str
    now: str
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of a seller: when the listing was seen, now, and over time if it was seen more than once."""

    noun: str
    when_listed: str
    now: str
    line: Line | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A listing on the timeline, in percent of its width; `kind` is "listed" or its verdict."""

    at: float
    kind: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The listings of a seller from the first seen to the last; `sentence` has the same in words."""

    first: datetime
    last: datetime
    marks: tuple[Mark, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class SellerCard:
    """The known facts about a seller when the listing was seen, and when any was last seen.

    `timeline` is None if all listings were seen at one moment.
    """

    rows: tuple[Row, ...]
    seen_at: datetime
    last_seen_at: datetime
    timeline: Timeline | None


def read_seller_card(
    connection: Connection,
    case: Case,
    strikes: Collection[Strike],
    hidden: Collection[int],
    now: datetime | None = None,
) -> SellerCard:
    """Return the facts about the seller of a case; decisions on hidden cases do not show."""
    shown = [strike for strike in strikes if strike.case_id not in hidden]
    record = read_seller_record(connection, case.scored.listing.seller_id, hidden)
    return make_seller_card(case, record, shown, now or datetime.now(UTC))


def make_seller_card(case: Case, record: SellerRecord, strikes: Collection[Strike], now: datetime) -> SellerCard:
    """Compare a seller's figures when the listing was seen with those known now.

    `strikes` are all of the seller's. "Strikes" are those in force here; "Strikes in all" are those known to the score,
    including expired ones and those reported by the marketplace.
    """
    seen_at, listing = case.scored.listing.observed_at or case.enqueued_at, case.scored.listing
    seen = {
        noun: [(one.at, value) for one in record.listings if (value := getattr(one.listing, field)) is not None]
        for noun, field in _FIGURES.items()
    }
    counted = _count_over_time(strikes, now)
    then, latest = dict(seller_history(listing)), dict(seller_history(_latest(record, listing)))
    if latest or strikes:
        then["Strikes"], latest["Strikes"] = (_in_force(strikes, at) for at in (seen_at, now))
    rows = [
        Row(
            noun,
            then.get(noun, "unknown"),
            phrase,
            _draw_line(noun, counted if noun == "Strikes" else seen.get(noun, ())),
        )
        for noun, phrase in latest.items()
    ]
    last_seen_at = max([seen_at, *(one.at for one in record.listings)])
    return SellerCard(tuple(rows), seen_at, last_seen_at, _make_timeline(record))


def _latest(record: SellerRecord, listing: Listing) -> Listing:
    known = {name: getattr(listing, name) for name in _KNOWN}
    for one in record.listings:
        known |= {name: value for name in _KNOWN if (value := getattr(one.listing, name)) is not None}
    return replace(listing, **known)


def _in_force(strikes: Collection[Strike], at: datetime) -> str:
    number = sum(strike.counts_at(at) for strike in strikes)
    return f"{number:,}" if number else "none"


def _count_over_time(strikes: Collection[Strike], now: datetime) -> Series:
    """Return the number of strikes in force at each change until now."""
    changes: Counter[datetime] = Counter()
    for strike in strikes:
        ends = strike.expires_at if strike.taken_back_at is None else min(strike.expires_at, strike.taken_back_at)
        if strike.struck_at < ends:
            changes[strike.struck_at] += 1
            changes[ends] -= 1
    moments = sorted(at for at in changes if at <= now)
    counts = accumulate(changes[at] for at in moments)
    return [*((at, 0.0) for at in moments[:1]), *zip(moments, map(float, counts), strict=True)]


def _draw_line(noun: str, values: Series) -> Line | None:
    """Return the line of a figure seen at two moments or more."""
    if not values or values[-1][0] - values[0][0] < _SHORTEST:
        return None
    first, last = values[0][0], values[-1][0]
    highest = max(value for _, value in values) or 1.0
    drawn = [*values[: -1 : len(values) // _MOST_POINTS + 1], values[-1]]
    points = " ".join(f"{_place(at, first, last):.1f},{95 - 90 * max(value, 0.0) / highest:.1f}" for at, value in drawn)
    was, now = (f"{100 * value:.0f} %" if noun == "Rating" else f"{value:,.0f}" for _, value in (values[0], values[-1]))
    return Line(points, was, now, first, last)


def _make_timeline(record: SellerRecord) -> Timeline | None:
    moments = [one.at for one in record.listings]
    if not moments or max(moments) - min(moments) < _SHORTEST:
        return None
    first, last = min(moments), max(moments)
    verdicts = {said.case_id: said.verdict.value for said in record.verdicts}
    marks = [
        Mark(_place(one.at, first, last), verdicts.get(one.case_id, "listed").replace(" ", "-"))
        for one in record.listings
    ]
    given = [said.verdict.value for said in record.verdicts]
    found = [f"{given.count(kind)} found {kind}" for kind in ("counterfeit", "genuine") if kind in given]
    return Timeline(first, last, tuple(marks), ", ".join([count(len(record.listings), "case"), *found]))


def _place(at: datetime, first: datetime, last: datetime) -> float:
    return _MARGIN + (100 - 2 * _MARGIN) * ((at - first) / (last - first))
