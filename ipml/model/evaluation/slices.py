"""Slices: the model's figures by brand, kind of seller, script and time, to show where it is weak.

Average precision falls with the share of counterfeits, however good the ranking. For comparison with the whole, a slice
is therefore also measured at the whole's share of counterfeits (calibrated precision; Siblini and others, 2020,
arXiv:1909.02827).

The script of a text is certain; its language is not guessed. A title is a few words, half of them brand names, with
hardly any of the function words that distinguish languages.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.model.evaluation.metrics import Estimate, average_precision, estimate_of
from ipml.model.evaluation.ranking import (
    DEFAULT_RESAMPLING,
    Floats,
    Resampling,
    ScoreRanking,
    measure_named,
    resample_rankings,
    resample_sums,
)

_MOST_LETTERS = 300
_SCRIPTS = {
    "CJK": "Chinese characters",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "HANGUL": "Korean",
    "ARABIC": "Arabic",
    "ARMENIAN": "Armenian",
    "BENGALI": "Bengali",
    "CYRILLIC": "Cyrillic",
    "DEVANAGARI": "Devanagari",
    "GEORGIAN": "Georgian",
    "GREEK": "Greek",
    "HEBREW": "Hebrew",
    "LATIN": "Latin",
    "TAMIL": "Tamil",
    "THAI": "Thai",
}
OTHER, NONE = "other", "no letters"


def writing_system(text: str) -> str:
    """Return the script of most letters among the first 300 characters of a text.

    Letters in disguise (full width, mathematical) count as the plain ones. Kana make a text Japanese.

    >>> writing_system("Кроссовки Nike"), writing_system("Ｎｉｋｅ shoes"), writing_system("100 %")
    ('Cyrillic', 'Latin', 'no letters')
    """
    letters = Counter(unicodedata.normalize("NFKC", text[:_MOST_LETTERS]))
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        if letter.isalpha():
            scripts[_script_of(letter)] += count
    if scripts["Japanese"]:
        scripts["Japanese"] += scripts.pop("Chinese characters", 0)
    return max(scripts, key=lambda name: (scripts[name], name)) if scripts.total() else NONE


@lru_cache(maxsize=10_000)
def _script_of(letter: str) -> str:
    return _SCRIPTS.get(unicodedata.name(letter, "").split(" ")[0], OTHER)


SELLER_SIZES = {0: "1 listing", 1: "2 to 9 listings", 9: "10 to 99 listings", 99: "100 listings or more"}
SELLER_AGES = {-1: "under 30 days", 29: "30 to 89 days", 89: "90 to 364 days", 364: "a year or more"}
_AS_GIVEN = ("brand", "category", "currency", "country")


def group_columns(listings: pd.DataFrame) -> pd.DataFrame:
    """Return the columns by which listings are grouped, as given or derived, where known.

    >>> listings = pd.DataFrame({"seller_id": ["a", "b"], "title": ["Bag", "Сумка"], "seller_age_days": [9.0, None]})
    >>> group_columns(listings)
      seller size     seller age    script
    0   1 listing  under 30 days     Latin
    1   1 listing            NaN  Cyrillic
    """
    columns = {name: listings[name] for name in _AS_GIVEN if name in listings}
    columns["seller size"] = _in_bands(seller_sizes(listings), SELLER_SIZES)
    if "seller_age_days" in listings:
        columns["seller age"] = _in_bands(listings["seller_age_days"], SELLER_AGES)
    if "title" in listings:
        columns["script"] = scripts_of(listings)
    for name in ("observed", "listed"):
        if f"{name}_at" in listings:
            columns[f"quarter {name}"] = _quarters(listings[f"{name}_at"])
    return pd.DataFrame(columns, index=listings.index)


def seller_sizes(listings: pd.DataFrame) -> pd.Series[float]:
    """Return how many listings the seller of each listing has: as given in `seller_listings`, else as counted here.

    >>> seller_sizes(pd.DataFrame({"seller_id": list("aab")})).tolist()
    [2.0, 2.0, 1.0]
    """
    counted = listings.groupby("seller_id")["seller_id"].transform("size").astype("float64")
    return listings["seller_listings"].fillna(counted) if "seller_listings" in listings else counted


def scripts_of(listings: pd.DataFrame) -> pd.Series[str]:
    """Return the script of each listing's title and description.

    >>> scripts_of(pd.DataFrame({"title": ["Nike"], "description": ["Кроссовки мужские"]})).tolist()
    ['Cyrillic']
    """
    texts = listings["title"].fillna("")
    if "description" in listings:
        texts = texts.str.cat(listings["description"].fillna(""), sep=" ")
    return pd.Series([writing_system(text) for text in texts], index=listings.index, dtype="str")


def _quarters(moments: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    years, quarters = moments.dt.year, moments.dt.quarter
    named = [f"{year:.0f} Q{quarter:.0f}" for year, quarter in zip(years, quarters, strict=True)]
    return pd.Series(named, index=moments.index, dtype="str").where(moments.notna())


def _in_bands(numbers: pd.Series[float], bands: dict[int, str]) -> pd.Series[str]:
    """Return the name of the band of each number; a band begins above its key."""
    return pd.Series(pd.cut(numbers, [*bands, np.inf], labels=list(bands.values())), index=numbers.index, dtype="str")


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
class SliceCounts:
    """Listings, counterfeits and sellers behind a set of figures.

    >>> print(SliceCounts(listings=1200, counterfeits=96, sellers=85))
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
    figures : dict of str to Estimate
        By measure. `prevalence` is the weighted share of counterfeits. `comparable_average_precision` is the average
        precision at the whole's share of counterfeits. `recall_at_break_even` is the recall in the slice at the
        threshold that flags as many listings in all as there are counterfeits.
    is_below : bool
        Whether one of the latter two is clearly below the whole's: with its whole interval, over at least 10 sellers.
        A few of many slices are below by chance.
    """

    column: str
    value: str
    counts: SliceCounts
    figures: dict[str, Estimate]
    is_below: bool = False


def count_listings(y: Floats, sellers: pd.Series[str]) -> SliceCounts:
    """Count listings, counterfeits and sellers."""
    return SliceCounts(len(y), int(y.sum()), sellers.nunique())


def break_even(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> float:
    """Return the threshold that flags as many listings as there are counterfeits, so that precision equals recall.

    More are flagged if scores are equal there. Without `weight` each listing counts once.

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
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Iterator[Slice]:
    """Yield the slices that are large enough to measure, the largest of each column first.

    A slice has at least 50 listings, but not all, 5 counterfeits and two sellers. Sizes are counted without weights,
    and at most 200 resamples are made of each slice.

    Parameters
    ----------
    scores : sequence of array of shape (n_listings,)
        Probabilities, one array per repeat; the figures are averaged over them.
    columns : DataFrame of shape (n_listings, n_columns)
        Such as `group_columns` returns.
    sellers : Series of shape (n_listings,)

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcd") * 30, "brand": ["Acme", "Bolt"] * 60})
    >>> y, score = [1, 1, 0, 0] * 30, [0.9, 0.2, 0.1, 0.6] * 30
    >>> for part in measure_slices(y, [score], listings[["brand"]], listings["seller_id"], Resampling(50)):
    ...     print(part.value, part.figures["recall_at_break_even"].value)
    Acme 1.0
    Bolt 0.0
    """
    truth = np.asarray(y, dtype=float)
    repeats = [np.asarray(score, dtype=float) for score in scores]
    weights = np.ones_like(truth) if resampling.weight is None else np.asarray(resampling.weight, dtype=float)
    flags = [score >= break_even(truth, score, weights) for score in repeats]
    whole = {
        "comparable_average_precision": np.mean([average_precision(truth, score, weights) for score in repeats]),
        "recall_at_break_even": np.mean([(weights * truth)[flagged].sum() / (weights @ truth) for flagged in flags]),
    }
    prevalence = float(weights @ truth / weights.sum())
    n_resamples = min(resampling.n_resamples, MOST_RESAMPLES)
    for column, value, rows in _find_slices(truth, columns, sellers):
        of_slice = Resampling(n_resamples, resampling.seed, weights[rows])
        draws = [
            _draw(truth[rows], score[rows], flagged[rows], sellers.iloc[rows], prevalence, of_slice)
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
    score: Floats,
    flagged: NDArray[np.bool_],
    sellers: pd.Series[str],
    prevalence: float,
    resampling: Resampling,
) -> dict[str, Floats]:
    """Return every measure on the listings of a slice, and on each resample of their sellers."""
    readers = {name: measure_named(name) for name in ("average_precision", "calibration_error")}
    draws = {name: np.full(1 + resampling.n_resamples, np.nan) for name in SLICE_MEASURES}
    for numbers, ranking in resample_rankings(y, score, sellers, resampling):
        for name, read in readers.items():
            draws[name][numbers] = read(ranking)
        comparable = readers["average_precision"](_at_prevalence(ranking, prevalence))
        draws["comparable_average_precision"][numbers] = comparable
    counted = np.asarray(resampling.weight)[:, np.newaxis] * np.column_stack([y * flagged, y, np.ones_like(y)])
    found, there, listings = resample_sums(counted, sellers, resampling).T
    draws["prevalence"] = there / listings
    np.divide(found, there, out=draws["recall_at_break_even"], where=there > 0)
    return draws


def _at_prevalence(ranking: ScoreRanking, prevalence: float) -> ScoreRanking:
    """Weigh the genuine listings so that counterfeits make up that share of each sample."""
    genuine = ranking.listings - ranking.positives
    wanted = ranking.positives[:, -1:] * (1 - prevalence) / prevalence
    weights = np.divide(wanted, genuine[:, -1:], out=np.zeros_like(wanted), where=genuine[:, -1:] > 0)
    return ScoreRanking(ranking.scores, ranking.positives + weights * genuine, ranking.positives)
