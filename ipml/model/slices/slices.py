"""Where a model is weaker than as a whole: its figures by brand, by kind of seller, by script, by time.

Average precision falls with the share of counterfeits, however good the ranking. To be compared with the whole, a
slice is therefore also measured as if it held as large a share as the whole does (calibrated precision; Siblini and
others, 2020, arXiv:1909.02827).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.model.metrics import Estimate, average_precision, estimate_of
from ipml.model.ranking import Floats, Ranking, measure_named
from ipml.model.resampling import resample_rankings, resample_sums

SLICE_MEASURES = (
    "average_precision",
    "comparable_average_precision",
    "recall_at_break_even",
    "calibration_error",
    "prevalence",
)
MIN_SLICE_LISTINGS = 50
MIN_SLICE_COUNTERFEITS = 5
MIN_MARKED_SELLERS = 10  # over fewer, the interval is too narrow to judge by
MOST_SLICES = 20  # of one column
MOST_RESAMPLES = 200  # slices are many, and read roughly


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the figures rest on.

    Examples
    --------
    >>> print(Counts(listings=1200, counterfeits=96, sellers=85))
    1,200 listings of 85 sellers, 96 counterfeit (8.0 %)
    """

    listings: int
    counterfeits: int
    sellers: int

    @property
    def prevalence(self) -> float:
        """Share of counterfeits, in 0-1."""
        return self.counterfeits / self.listings

    def __str__(self) -> str:
        listings = f"{self.listings:,} listings of {self.sellers:,} sellers"
        return f"{listings}, {self.counterfeits:,} counterfeit ({self.prevalence:.1%})".replace("%", " %")


@dataclass(frozen=True, slots=True)
class Slice:
    """The model's figures on the listings with one value in one column.

    Attributes
    ----------
    column, value : str
        Such as "brand" and "Nike", or "seller size" and "1 listing".
    counts : Counts
    figures : dict of str to Estimate
        By measure. `prevalence` is the slice's share of counterfeits, weighed where labels are;
        `comparable_average_precision` is what average precision would be at the whole's share of counterfeits;
        `recall_at_break_even` is the share of the slice's counterfeits that are flagged where as many listings are
        flagged in all as there are counterfeits.
    is_below : bool
        Whether one of the latter two lies clearly below that of the whole: with its whole interval, over at least 10
        sellers. Of many slices, a few lie there by chance.
    """

    column: str
    value: str
    counts: Counts
    figures: dict[str, Estimate]
    is_below: bool = False


def count_listings(y: Floats, sellers: pd.Series[str]) -> Counts:
    """Count listings, counterfeits and sellers.

    Examples
    --------
    >>> print(count_listings(np.array([1.0, 0.0]), pd.Series(["a", "a"])))
    2 listings of 1 sellers, 1 counterfeit (50.0 %)
    """
    return Counts(len(y), int(y.sum()), sellers.nunique())


def break_even(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Return the threshold that flags as many listings as there are counterfeits, so that precision equals recall.

    Where scores are equal there, more are flagged. Each listing counts as its weight says; once where none is given.

    Examples
    --------
    >>> break_even([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    0.8
    """
    scores, truth = np.asarray(score, dtype=float), np.asarray(y, dtype=float)
    weights = np.ones_like(scores) if weight is None else np.asarray(weight, dtype=float)
    order = np.argsort(-scores, kind="stable")
    wanted = weights @ truth - 1e-9 * weights.sum()  # sums in another order differ in the last digits
    return float(scores[order][np.searchsorted(np.cumsum(weights[order]), wanted)])


def measure_slices(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    columns: pd.DataFrame,
    sellers: pd.Series[str],
    *,
    weight: ArrayLike | None = None,
    n_resamples: int = MOST_RESAMPLES,
    seed: int = 0,
) -> Iterator[Slice]:
    """Yield the slices that hold enough to measure, the largest of each column first.

    A slice has at least 50 listings, but not all, 5 counterfeits and two sellers.

    Parameters
    ----------
    y : array of shape (n_listings,)
        True or 1 where the listing is counterfeit.
    scores : sequence of array of shape (n_listings,)
        Probabilities, one array a repeat; the figures are averaged over them.
    columns : DataFrame of shape (n_listings, n_columns)
        By what to slice, such as `ipml.model.slices.groups.group_columns` returns.
    sellers : Series of shape (n_listings,)
    weight : array of shape (n_listings,), optional
        For how many listings each one stands; once where none is given. What is large enough is counted unweighed.
    n_resamples : int, default=200
        Resamples of the sellers of each slice; no more than 200 are made.
    seed : int, default=0

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcd") * 30, "brand": ["Acme", "Bolt"] * 60})
    >>> y, score = [1, 1, 0, 0] * 30, [0.9, 0.2, 0.1, 0.6] * 30
    >>> for part in measure_slices(y, [score], listings[["brand"]], listings["seller_id"], n_resamples=50):
    ...     print(part.value, part.figures["recall_at_break_even"].value)
    Acme 1.0
    Bolt 0.0
    """
    truth = np.asarray(y, dtype=float)
    repeats = [np.asarray(score, dtype=float) for score in scores]
    weights = np.ones_like(truth) if weight is None else np.asarray(weight, dtype=float)
    flags = [score >= break_even(truth, score, weights) for score in repeats]
    whole = {
        "comparable_average_precision": np.mean([average_precision(truth, score, weights) for score in repeats]),
        "recall_at_break_even": np.mean([(weights * truth)[flagged].sum() / (weights @ truth) for flagged in flags]),
    }
    prevalence = float(weights @ truth / weights.sum())
    n_resamples = min(n_resamples, MOST_RESAMPLES)
    for column, value, rows in _find_slices(truth, columns, sellers):
        known = truth[rows], weights[rows], sellers.iloc[rows]
        draws = [
            _draw(*known, score[rows], flagged[rows], prevalence, n_resamples, seed)
            for score, flagged in zip(repeats, flags, strict=True)
        ]
        figures = {name: estimate_of(np.mean([drawn[name] for drawn in draws], axis=0)) for name in SLICE_MEASURES}
        counts = count_listings(truth[rows], sellers.iloc[rows])
        is_below = any(figures[name].high < least for name, least in whole.items())
        yield Slice(column, value, counts, figures, is_below and counts.sellers >= MIN_MARKED_SELLERS)


def _find_slices(
    y: Floats, columns: pd.DataFrame, sellers: pd.Series[str]
) -> Iterator[tuple[str, str, NDArray[np.intp]]]:
    for column in columns:
        values = columns[column]
        sizes = values.value_counts()
        for value in sizes.index[(sizes >= MIN_SLICE_LISTINGS) & (sizes < len(columns))][:MOST_SLICES]:
            rows = np.flatnonzero(values == value)
            if y[rows].sum() >= MIN_SLICE_COUNTERFEITS and sellers.iloc[rows].nunique() > 1:
                yield str(column), str(value), rows


def _draw(
    y: Floats,
    weight: Floats,
    sellers: pd.Series[str],
    score: Floats,
    flagged: NDArray[np.bool_],
    prevalence: float,
    n_resamples: int,
    seed: int,
) -> dict[str, Floats]:
    """Return every measure on the listings of a slice, and on each resample of their sellers."""
    readers = {name: measure_named(name) for name in ("average_precision", "calibration_error")}
    draws = {name: np.full(1 + n_resamples, np.nan) for name in SLICE_MEASURES}
    for numbers, ranking in resample_rankings(y, score, sellers, weight=weight, n_resamples=n_resamples, seed=seed):
        for name, read in readers.items():
            draws[name][numbers] = read(ranking)
        comparable = readers["average_precision"](_at_prevalence(ranking, prevalence))
        draws["comparable_average_precision"][numbers] = comparable
    counted = weight[:, np.newaxis] * np.column_stack([y * flagged, y, np.ones_like(y)])
    found, there, listings = resample_sums(counted, sellers, n_resamples=n_resamples, seed=seed).T
    draws["prevalence"] = there / listings
    np.divide(found, there, out=draws["recall_at_break_even"], where=there > 0)
    return draws


def _at_prevalence(ranking: Ranking, prevalence: float) -> Ranking:
    """Weigh the genuine listings so that counterfeits make up that share of each sample."""
    genuine = ranking.listings - ranking.positives
    wanted = ranking.positives[:, -1:] * (1 - prevalence) / prevalence
    weights = np.divide(wanted, genuine[:, -1:], out=np.zeros_like(wanted), where=genuine[:, -1:] > 0)
    return Ranking(ranking.scores, ranking.positives + weights * genuine, ranking.positives)
