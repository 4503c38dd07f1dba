"""Rows that cannot be right: moments out of order, contradictory labels, one seller of nearly all listings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.listings.seller_events import HISTORY_COLUMNS, history_as_of
from ipml.model.drift.drift import show_share
from ipml.model.labels import find_contradictions
from ipml.model.leakage.leak import Kind, Leak, show_rows
from ipml.model.leakage.prediction import Flags

Rows = NDArray[np.int64]

MOST_OF_ONE = 0.5  # of the listings; with more of one seller, a split by seller tests on hardly any other
LATER_SHARE = 0.95  # of a column's moments lie after the observation
FEWEST_LATER = 10

_ORDER = (  # a column that may not exceed another, and the sentence where it does
    ("observed_at", "labelled_at", "listings were observed after the label was known, and may show its consequences"),
    ("listed_at", "observed_at", "listings were observed before they were listed"),
    ("listed_at", "labelled_at", "listings were labelled before they were listed"),
    ("listing_sales", "seller_sales", "rows give a listing more sales than its seller: the moments differ"),
    ("listing_returns", "seller_returns", "rows give a listing more returns than its seller: the moments differ"),
)
_PLANNED = re.compile(
    r"expir|until|due|deadline|valid|planned|scheduled|estimated|expected|renew|(?:^|_)ends?(?:_|$)", re.IGNORECASE
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?")


def find_wrong_moments(listings: pd.DataFrame, rows: Rows, as_of: datetime | None) -> Iterator[Leak]:
    """Find listings as they were after their label, or after the moment of their other columns."""
    for larger, smaller, sentence in _ORDER:
        if {larger, smaller} <= {*listings}:
            is_wrong = (listings[larger] > listings[smaller]).fillna(False).to_numpy(dtype=bool)
            column = smaller if smaller.startswith("seller_") else larger
            yield from _report("moments", column, f"{{}} {sentence}", rows, is_wrong)
    if "labelled_at" in listings:
        moment = as_of or datetime.now(UTC)
        is_wrong = (listings["labelled_at"] > moment).to_numpy(dtype=bool)
        sentence = f"{{}} labels are of after {moment:%Y-%m-%d %H:%M} UTC"
        yield from _report("labels", "labelled_at", sentence, rows, is_wrong)


def _report(kind: Kind, column: str, sentence: str, rows: Rows, is_wrong: NDArray[Any]) -> Iterator[Leak]:
    if is_wrong.any():
        subject = f"{column}: " if column else ""
        sentence = sentence.format(f"{is_wrong.sum():,}")
        yield Leak(kind, column, f"{subject}{sentence} ({show_rows(rows, is_wrong)})")


def find_later_moments(columns: pd.DataFrame, observed_at: pd.Series[Any], rows: Rows) -> Iterator[Leak]:
    """Find columns whose moments are practically all after the observation, except planned moments."""
    for name in columns:
        moments = _as_moments(columns[name])
        if name in ("observed_at", "labelled_at") or _PLANNED.search(str(name)) or moments is None:
            continue
        is_known = (moments.notna() & observed_at.notna()).to_numpy()
        is_later = (moments > observed_at).to_numpy(dtype=bool)
        if is_later.sum() >= max(FEWEST_LATER, LATER_SHARE * is_known.sum()):
            sentence = f"{{}} of {is_known.sum():,} moments are after observed_at, when nobody could know them"
            yield from _report("moments", str(name), sentence, rows, is_later)


def _as_moments(column: pd.Series[Any]) -> pd.Series[Any] | None:
    """Return a column of moments, or of texts that all look like some, in UTC."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.to_datetime(column, utc=True)
    known = column.dropna()
    if known.empty or pd.api.types.is_numeric_dtype(column):
        return None
    if not all(isinstance(cell, str) and _MOMENT.fullmatch(cell) for cell in known.head(20)):
        return None
    moments = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    return moments if moments.notna().sum() == len(known) else None


def find_later_history(listings: pd.DataFrame, events: pd.DataFrame, rows: Rows) -> Iterator[Leak]:
    """Find history that counts more than was known when the listing was observed."""
    known = history_as_of(events, listings)
    for name in HISTORY_COLUMNS:
        if name not in listings or name in ("seller_rating", "seller_age_days"):
            continue
        is_wrong = (listings[name] > known[name]).fillna(False).to_numpy(dtype=bool)
        yield from _report("moments", name, "in {} rows more than the events known by observed_at", rows, is_wrong)


def find_contradicting_labels(table: pd.DataFrame, y: Flags, rows: Rows) -> Iterator[Leak]:
    """Find rows of one listing that have opposite labels."""
    sentence = "{} rows have the opposite label of another row of the same listing"
    yield from _report("labels", "", sentence, rows, find_contradictions(table, y))


def find_dominant_seller(sellers: NDArray[Any], rows: Rows) -> Iterator[Leak]:
    """Find a seller of most listings, whose id may be the name of a marketplace."""
    codes, names = pd.factorize(sellers)
    counts = np.bincount(codes[codes >= 0], minlength=1)
    share = counts.max() / len(sellers)
    if share > MOST_OF_ONE:
        largest = int(counts.argmax())
        sentence = f"{show_share(share)} of the listings are of one seller, {names[largest]} "
        sentence += f"({counts[largest]:,}: {show_rows(rows, codes == largest)}): folds over sellers say little"
        yield Leak("sellers", "", sentence)
