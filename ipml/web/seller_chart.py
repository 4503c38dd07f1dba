"""A seller over time, ready to be drawn: a small line for each figure, and a mark for each listing and verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ipml.review.seller_record import SellerRecord
from ipml.web.wording import count

_FIGURES = {
    "Listings": "seller_listings",
    "Sales": "seller_sales",
    "Returns": "seller_returns",
    "Complaints": "seller_complaints",
    "Strikes": "seller_strikes",
}
_SHORTEST = timedelta(hours=1)
_MARGIN = 2.0  # percent of the width, so that a mark at an end is not cut


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, and where it stands in percent of the width; `kind` is "listed" or a verdict."""

    at: float
    kind: str


@dataclass(frozen=True, slots=True)
class SellerChart:
    """Where lines and marks stand.

    Attributes
    ----------
    lines : dict of str to str
        For each figure that was seen twice or more the points of its line, in a square of 100 by 100.
    was : dict of str to float
        The first of these figures.
    sentence : str
        The marks in words.
    """

    first: datetime
    last: datetime
    lines: dict[str, str]
    was: dict[str, float]
    marks: tuple[Mark, ...]
    sentence: str


def make_seller_chart(record: SellerRecord) -> SellerChart | None:
    """Place what is known of a seller on a line of time; None where all of it is of one moment."""
    moments = [*(look.at for look in record.looks), *(said.at for said in record.verdicts)]
    if not moments or max(moments) - min(moments) < _SHORTEST:
        return None
    first, last = min(moments), max(moments)
    seen = {noun: _values(record, field) for noun, field in _FIGURES.items()}
    drawn = {noun: values for noun, values in seen.items() if len({at for at, _ in values}) > 1}
    marks = [Mark(_place(look.at, first, last), "listed") for look in record.looks]
    marks += [Mark(_place(said.at, first, last), said.verdict.value.replace(" ", "-")) for said in record.verdicts]
    return SellerChart(
        first=first,
        last=last,
        lines={noun: _line(values, first, last) for noun, values in drawn.items()},
        was={noun: values[0][1] for noun, values in drawn.items()},
        marks=tuple(marks),
        sentence=_tell(record),
    )


def _values(record: SellerRecord, field: str) -> list[tuple[datetime, float]]:
    values = ((look.at, getattr(look.listing, field)) for look in record.looks)
    return [(at, value) for at, value in values if value is not None]


def _place(at: datetime, first: datetime, last: datetime) -> float:
    return _MARGIN + (100 - 2 * _MARGIN) * ((at - first) / (last - first))


def _line(values: Sequence[tuple[datetime, float]], first: datetime, last: datetime) -> str:
    highest = max(value for _, value in values) or 1.0
    return " ".join(f"{_place(at, first, last):.1f},{95 - 90 * max(value, 0.0) / highest:.1f}" for at, value in values)


def _tell(record: SellerRecord) -> str:
    verdicts = [said.verdict.value for said in record.verdicts]
    told = [count(len(record.looks), "case"), *_count_kinds(verdicts)]
    return ", ".join(told)


def _count_kinds(verdicts: Sequence[str]) -> Iterable[str]:
    return (f"{verdicts.count(kind)} found {kind}" for kind in ("counterfeit", "genuine") if kind in verdicts)
