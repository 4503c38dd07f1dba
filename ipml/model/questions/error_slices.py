"""Error slices: describes the listings that a model gets wrong by their common properties.

Slices are searched on half of the sellers and measured on the other half, so that chance findings do not count. A slice
has one or two conditions, such as "script is Cyrillic and description is missing", found by beam search over z-scores
that count sellers, not listings. Its error rate on the other half is compared with that of all other listings. The
interval is widened for the number of slices, so that one of them is called worse by chance in at most 5 of 100
searches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import Refused
from ipml.model.evaluation.differences import CHANCE, MIN_SELLERS, stretch_interval
from ipml.model.evaluation.label_weights import effective_number, weigh_labels
from ipml.model.evaluation.metrics import VALUE, Estimate, estimate_of
from ipml.model.evaluation.ranking import (
    DEFAULT_RESAMPLING,
    Floats,
    Resampling,
    check_scores,
    number_sellers,
    resample_sums,
)
from ipml.model.evaluation.slices import break_even, group_columns
from ipml.records import Reason

Explain = Callable[[pd.DataFrame], Sequence[Sequence[Reason]]]
Kind = Literal["missed", "false alarm"]
Condition = tuple[str, str]

BEAM = 20
MOST_SLICES = 6  # of each kind
MIN_LISTINGS = 20  # of one class, on the half that is searched
MOST_ALIKE = 0.5  # of the listings in either of two slices are in both, at most
_MOST_VALUES = 15  # of one column
_EXPLAINED = 20  # wrong listings of a slice
_LENGTHS = {-1: "under 20 letters", 19: "20 to 59 letters", 59: "60 letters or more"}
_AGES = {-np.inf: "under 7 days", 7: "7 to 29 days", 30: "30 to 179 days", 180: "180 days or more"}
_PRICES = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


@dataclass(frozen=True, slots=True)
class ErrorSlice:
    """Listings of one class with common properties, and their error rate.

    Attributes
    ----------
    kind : "missed" or "false alarm"
        Counterfeits that are not flagged, or genuine listings that are.
    conditions : tuple of (str, str)
        Column and value, one or two.
    listings, sellers, wrong : int
        Listings of its class on the half that was not searched; `wrong` counts the errors.
    rate, elsewhere, excess : Estimate
        Error rate here, among all others of the class, and the difference; the interval of the latter is widened for
        the number of slices.
    is_worse : bool
        Whether the whole interval of the difference is above 0, over at least six sellers here and elsewhere.
    why : tuple of str
        Reasons for the wrong side in the wrong listings, the heaviest first; empty without a model.
    """

    kind: Kind
    conditions: tuple[Condition, ...]
    listings: int
    sellers: int
    wrong: int
    rate: Estimate
    elsewhere: Estimate
    excess: Estimate
    is_worse: bool
    why: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The conditions in words; values are text of sellers."""
        return " and ".join(f"{column} is {value}" for column, value in self.conditions)


@dataclass(frozen=True)
class ErrorSlices:
    """Error slices, those with the largest excess first.

    Attributes
    ----------
    threshold : float
        Lowest score that is flagged.
    missed, false_alarms : Estimate
        Share of all counterfeits that are missed and of all genuine listings that are flagged, on both halves.
    """

    threshold: float
    missed: Estimate
    false_alarms: Estimate
    slices: tuple[ErrorSlice, ...]


def find_error_slices(
    y: ArrayLike,
    score: ArrayLike,
    listings: pd.DataFrame,
    *,
    threshold: float | None = None,
    explain: Explain | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> ErrorSlices:
    """Find slices of counterfeits that are missed and of genuine listings that are flagged.

    Parameters
    ----------
    y, score : array of shape (n_listings,)
        Truth (0 or 1) and the probability of a model that has not seen the seller.
    listings : DataFrame of shape (n_listings, …)
        With `seller_id`; weighted by `label_probability` where known.
    threshold : float, optional
        By default as many are flagged as there are counterfeits.
    explain : function of DataFrame, optional
        Returns the reasons for each listing of a frame; asked for some wrong ones.
    resampling : Resampling
        Its seed also decides which sellers are searched.

    Raises
    ------
    Refused
        A half of the sellers would lack a class.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": [f"s{n}" for n in range(400)], "brand": ["Acme", "Bolt"] * 200})
    >>> y = np.arange(400) % 4 < 2
    >>> score = np.where(y & (listings["brand"] == "Acme"), 0.9, 0.1)
    >>> found = find_error_slices(y, score, listings, threshold=0.5).slices[0]
    >>> found.kind, found.name, found.rate.value, found.is_worse
    ('missed', 'brand is Bolt', 1.0, True)
    """
    truth, scores = check_scores(y, score)
    weight = weigh_labels(listings)
    limit = break_even(truth, scores, weight) if threshold is None else threshold
    flagged = scores >= limit
    listings = listings.reset_index(drop=True)
    sellers, columns = listings["seller_id"], describe_listings(listings)
    is_searched = _halve(truth, sellers, resampling.seed)
    parts, rates = [], []
    kinds: tuple[tuple[Kind, float], ...] = (("missed", 1.0), ("false alarm", 0.0))
    for kind, label in kinds:
        wrong = flagged != label
        of_kind = truth == label
        searched, measured = np.flatnonzero(of_kind & is_searched), np.flatnonzero(of_kind & ~is_searched)
        halves = (
            _ClassHalf(kind, wrong[rows], weight[rows], sellers.iloc[rows], columns.iloc[rows])
            for rows in (searched, measured)
        )
        names, half = _search(next(halves)), next(halves)
        for conditions in names:
            part = _measure(conditions, half, len(names), resampling)
            if part is not None:
                rows = measured[_match(half.columns, conditions) & half.wrong]
                parts.append((part, rows))
        counted = np.column_stack([of_kind * wrong, of_kind]) * weight[:, np.newaxis]
        rates.append(estimate_of(_shares(resample_sums(counted, sellers, resampling))))
    parts.sort(key=lambda part: (not part[0].is_worse, -part[0].excess.value))
    slices = tuple(_give_reasons(part, listings.iloc[rows[:_EXPLAINED]], explain) for part, rows in parts)
    return ErrorSlices(limit, rates[0], rates[1], slices)


def describe_listings(listings: pd.DataFrame) -> pd.DataFrame:
    """Return columns of words that describe listings: groups, missing fields, length, age and price.

    >>> listings = pd.DataFrame({"seller_id": ["a"], "title": ["Bag"], "description": [None]})
    >>> describe_listings(listings).iloc[0].to_dict()
    {'seller size': '1 listing', 'script': 'Latin', 'description': 'missing', 'title length': 'under 20 letters'}
    """
    columns = group_columns(listings)
    for name in ("description", "price", "brand"):
        if name in listings:
            missing = listings[name].isna()
            columns[name] = (
                columns[name].mask(missing, "missing") if name in columns else missing.map({True: "missing"})
            )
    if "title" in listings:
        columns["title length"] = _cut(listings["title"].fillna("").str.len().astype("float64"), _LENGTHS)
    if "age_days" in listings:
        columns["age"] = _cut(listings["age_days"], _AGES)
    if VALUE in listings and listings[VALUE].nunique() >= len(_PRICES):  # one currency
        ranks = listings[VALUE].rank(pct=True, method="average")
        columns["price"] = _cut(
            (4 * ranks).apply(np.ceil) - 1, dict(enumerate(_PRICES, start=-1)), columns.get("price")
        )
    return columns


def _cut(numbers: pd.Series[float], bands: dict[Any, str], otherwise: pd.Series[str] | None = None) -> pd.Series[str]:
    named = pd.Series(
        pd.cut(numbers.astype("float64"), [*bands, np.inf], labels=list(bands.values())), index=numbers.index
    )
    words = named.astype("object")
    return words if otherwise is None else words.where(words.notna(), otherwise)


def _halve(y: Floats, sellers: pd.Series[str], seed: int) -> NDArray[np.bool_]:
    """Mark the listings of the searched sellers: half of those with counterfeits, and half of the others."""
    numbers = number_sellers(sellers, len(y))
    has_fakes = np.bincount(numbers, y) > 0
    generator, chosen = np.random.default_rng(seed), np.zeros(len(has_fakes), dtype=bool)
    for kind in (False, True):
        members = generator.permutation(np.flatnonzero(has_fakes == kind))
        chosen[members[: len(members) // 2]] = True
    is_searched: NDArray[np.bool_] = chosen[numbers]
    for half in (is_searched, ~is_searched):
        if len(np.unique(y[half])) < 2:
            raise Refused(
                "Cannot search for slices", "a half of the sellers without one of the classes", "more sellers"
            )
    return is_searched


def _match(columns: pd.DataFrame, conditions: Sequence[Condition]) -> NDArray[np.bool_]:
    matched = np.ones(len(columns), dtype=bool)
    for column, value in conditions:
        matched &= (columns[column] == value).to_numpy(dtype=bool, na_value=False)
    return matched


@dataclass(frozen=True)
class _ClassHalf:
    """Listings of one class on one half of the sellers; `wrong` marks the model's errors among them."""

    kind: Kind
    wrong: NDArray[np.bool_]
    weight: Floats
    sellers: pd.Series[str]
    columns: pd.DataFrame


def _search(half: _ClassHalf) -> list[tuple[Condition, ...]]:
    """Return the slices of one class with the highest z-scores that are not much alike."""
    if half.wrong.all() or not half.wrong.any():
        return []
    surplus = half.weight * (half.wrong - np.average(half.wrong, weights=half.weight))
    numbers = pd.factorize(half.sellers)[0]
    single: dict[tuple[Condition, ...], NDArray[np.bool_]] = {
        (literal,): _match(half.columns, (literal,)) for literal in _list_conditions(half.columns)
    }
    first = _best(single, surplus, numbers)[:BEAM]
    pairs = {
        tuple(sorted((*conditions, *other))): single[conditions] & single[other]
        for conditions in first
        for other in single
        if other[0][0] != conditions[0][0]
    }
    both = single | pairs
    kept: list[tuple[Condition, ...]] = []
    for conditions in _best(both, surplus, numbers):
        rows = both[conditions]
        if all((rows & both[other]).sum() <= MOST_ALIKE * (rows | both[other]).sum() for other in kept):
            kept.append(conditions)
        if len(kept) == MOST_SLICES:
            break
    return kept


def _list_conditions(columns: pd.DataFrame) -> Iterator[Condition]:
    for column in columns:
        counts = columns[column].value_counts()
        yield from ((str(column), value) for value in counts.index[counts >= MIN_LISTINGS][:_MOST_VALUES])


def _best(
    candidates: dict[tuple[Condition, ...], NDArray[np.bool_]], surplus: Floats, sellers: NDArray[np.intp]
) -> list[tuple[Condition, ...]]:
    """Return the slices by falling z-score, without those no worse than the whole."""
    scores = {}
    for conditions, rows in candidates.items():
        if rows.sum() >= MIN_LISTINGS and not rows.all():
            by_seller = np.bincount(sellers[rows], surplus[rows])
            if by_seller.sum() > 0 and len(np.unique(sellers[rows])) >= MIN_SELLERS:
                scores[conditions] = by_seller.sum() / np.sqrt(by_seller @ by_seller)
    return sorted(scores, key=lambda conditions: (-scores[conditions], len(conditions), conditions))


def _measure(
    conditions: tuple[Condition, ...], half: _ClassHalf, n_slices: int, resampling: Resampling
) -> ErrorSlice | None:
    """Measure a slice on the half that was not searched; None if it is too small there."""
    here = _match(half.columns, conditions)
    n_here, n_elsewhere = half.sellers[here].nunique(), half.sellers[~here].nunique()
    if min(n_here, n_elsewhere) < 2:
        return None
    counted = np.column_stack([here * half.wrong, here, ~here * half.wrong, ~here]) * half.weight[:, np.newaxis]
    sums = resample_sums(counted, half.sellers, resampling)
    inside, outside = _shares(sums[:, :2]), _shares(sums[:, 2:])
    totals = pd.Series(half.weight[here]).groupby(half.sellers[here].to_numpy()).sum().to_numpy(np.float64)
    excess = stretch_interval(
        estimate_of(inside - outside), effective_number(np.asarray(totals, np.float64)), CHANCE / (2 * max(n_slices, 1))
    )
    excess = replace(excess, low=max(excess.low, -1.0), high=min(excess.high, 1.0))
    return ErrorSlice(
        half.kind,
        conditions,
        int(here.sum()),
        n_here,
        int((here & half.wrong).sum()),
        estimate_of(inside),
        estimate_of(outside),
        excess,
        excess.low > 0 and min(n_here, n_elsewhere) >= MIN_SELLERS,
    )


def _shares(sums: Floats) -> Floats:
    """Return the first of two columns over the second; NaN where a resample has none."""
    shares: Floats = np.divide(sums[:, 0], sums[:, 1], out=np.full(len(sums), np.nan), where=sums[:, 1] > 0)
    return shares


def _give_reasons(part: ErrorSlice, wrong: pd.DataFrame, explain: Explain | None) -> ErrorSlice:
    """Add the mean reasons for the wrong side, each with the sentence of one listing."""
    if explain is None or wrong.empty:
        return part
    sign = -1 if part.kind == "missed" else 1
    weights, sentences = defaultdict[str, float](float), dict[str, str]()
    for reasons in explain(wrong):
        for reason in reasons:
            weights[reason.feature] += sign * reason.weight / len(wrong)
            if sign * reason.weight > 0:
                sentences.setdefault(reason.feature, reason.sentence)
    heaviest = sorted((name for name in sentences if weights[name] > 0), key=lambda name: -weights[name])[:3]
    why = tuple(f"{sign * weights[name]:+.1f} {sentences[name]}" for name in heaviest)
    return replace(part, why=why)
