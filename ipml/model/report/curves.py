"""Curves of an evaluation: precision by recall, reliability and scores by class, as numbers and as charts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipml.kit.charts import Axis, Chart, Series, make_share_axis, shorten_number
from ipml.model.evaluation.metrics import INTERVAL_PERCENTILES
from ipml.model.evaluation.ranking import (
    DEFAULT_RESAMPLING,
    Floats,
    Resampling,
    ScoreRanking,
    check_scores,
    rank_once,
    resample_rankings,
)
from ipml.model.questions.plots import HEIGHT

_RECALLS = np.linspace(0.005, 1, 200)
_RELIABILITY_BINS = 10
_SCORE_BINS = 40
_FEW_LISTINGS = 10


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision at each recall, its 95 % interval over sellers, and the precision of the baselines by name."""

    recall: Floats
    precision: Floats
    low: Floats
    high: Floats
    baselines: Mapping[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class Reliability:
    """For each tenth of the scale that has listings: the share predicted and that observed, with its interval.

    Attributes
    ----------
    start : array of shape (n_bins,)
        Beginning of the tenth.
    predicted : array of shape (n_bins,)
        Mean score of its listings.
    observed, low, high : array of shape (n_bins,)
        Share of counterfeits among them, and its 95 % interval over sellers.
    listings : array of shape (n_bins,)
        Weighted number of its listings.
    """

    start: Floats
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    listings: Floats


@dataclass(frozen=True)
class ScoreHistogram:
    """Numbers of genuine and counterfeit listings between each two edges of the score."""

    edges: Floats
    genuine: Floats
    counterfeit: Floats


def precision_recall(
    y: ArrayLike,
    score: ArrayLike,
    sellers: ArrayLike,
    *,
    baselines: Mapping[str, ArrayLike] | None = None,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> PrecisionRecall:
    """Return the precision of a model at 200 values of recall.

    Parameters
    ----------
    y, score, sellers : array of shape (n_listings,)
        Truth (0 or 1), the model's probabilities, and the seller of each listing.
    baselines : mapping of str to array of shape (n_listings,), optional
        Probabilities of the baselines by name.
    resampling : Resampling
        With weights as `count_by_probability` returns them.

    Examples
    --------
    >>> curve = precision_recall([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], list("abcd"), resampling=Resampling(9))
    >>> curve.precision[[0, -1]].round(2)
    array([1.  , 0.67])
    """
    check_scores(y, score)
    counts = None if resampling.weight is None else np.asarray(resampling.weight, dtype=float)
    draws = resample_rankings(y, score, sellers, resampling)
    precisions = np.vstack([_precision_at_recalls(ranking) for _, ranking in draws])
    low, high = np.percentile(precisions, INTERVAL_PERCENTILES, axis=0)
    lines = {
        name: _precision_at_recalls(rank_once(*check_scores(y, baseline), counts))[0]
        for name, baseline in (baselines or {}).items()
    }
    return PrecisionRecall(_RECALLS, precisions[0], low, high, lines)


def reliability(
    y: ArrayLike,
    score: ArrayLike,
    sellers: ArrayLike,
    *,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Reliability:
    """Return the predicted and the observed share of counterfeits by tenths of the scale.

    Listings are weighted as in `precision_recall`.

    >>> bins = reliability([1, 0, 1, 0], [0.91, 0.15, 0.93, 0.15], list("abcd"), resampling=Resampling(9))
    >>> bins.predicted, bins.observed
    (array([0.92, 0.15]), array([1., 0.]))
    """
    truth, scores = check_scores(y, score)
    counts = None if resampling.weight is None else np.asarray(resampling.weight, dtype=float)
    ranking = rank_once(truth, scores, counts)
    first = _first_of_bins(ranking)
    draws = resample_rankings(truth, scores, sellers, resampling)
    observed = np.vstack([_observed_by_bin(resampled, first) for _, resampled in draws])
    low, high = np.nanpercentile(observed, INTERVAL_PERCENTILES, axis=0)
    return Reliability(
        start=_bins_of(ranking.scores[first]) / _RELIABILITY_BINS,
        predicted=_predicted_by_bin(ranking, first),
        observed=observed[0],
        low=low,
        high=high,
        listings=_sum_by_bin(ranking.listings, first)[0],
    )


def score_histogram(y: ArrayLike, score: ArrayLike, weight: ArrayLike | None = None) -> ScoreHistogram:
    """Return the weighted listings of each class by fortieths of the scale.

    >>> histogram = score_histogram([1, 0, 1], [0.99, 0.01, 0.98])
    >>> histogram.genuine[0], histogram.counterfeit[-1]
    (np.float64(1.0), np.float64(2.0))
    """
    truth, scores = check_scores(y, score)
    counts = np.ones_like(scores) if weight is None else np.asarray(weight, dtype=float)
    edges = np.array([edge / _SCORE_BINS for edge in range(_SCORE_BINS + 1)])
    genuine, counterfeit = (
        np.histogram(scores[truth == side], bins=edges, weights=counts[truth == side])[0] for side in (0, 1)
    )
    return ScoreHistogram(edges, genuine, counterfeit)


def _precision_at_recalls(ranking: ScoreRanking) -> Floats:
    """Return the precision at the first threshold that reaches each recall, shape (n_samples, n_recalls)."""
    reached = np.array([np.searchsorted(recall, _RECALLS - 1e-12) for recall in ranking.recall])
    return np.take_along_axis(ranking.precision, reached, axis=1)


def _bins_of(scores: Floats) -> NDArray[np.intp]:
    return np.minimum(_RELIABILITY_BINS * scores, _RELIABILITY_BINS - 1).astype(np.intp)


def _first_of_bins(ranking: ScoreRanking) -> NDArray[np.intp]:
    """Return the first place of each tenth of the scale, highest first, without tenths that have no listing."""
    return np.flatnonzero(np.diff(_bins_of(ranking.scores), prepend=_RELIABILITY_BINS))


def _sum_by_bin(cumulated: Floats, first: NDArray[np.intp]) -> Floats:
    return np.add.reduceat(np.diff(cumulated, axis=1, prepend=0.0), first, axis=1)


def _predicted_by_bin(ranking: ScoreRanking, first: NDArray[np.intp]) -> Floats:
    weighted = np.cumsum(np.diff(ranking.listings, prepend=0.0) * ranking.scores, axis=1)
    predicted: Floats = (_sum_by_bin(weighted, first) / _sum_by_bin(ranking.listings, first))[0]
    return predicted


def _observed_by_bin(ranking: ScoreRanking, first: NDArray[np.intp]) -> Floats:
    """Return the share of counterfeits by bin, shape (n_samples, n_bins); NaN where a sample has none."""
    listings, positives = _sum_by_bin(ranking.listings, first), _sum_by_bin(ranking.positives, first)
    return np.divide(positives, listings, out=np.full_like(listings, np.nan), where=listings > 0)


def plot_precision_recall(curve: PrecisionRecall) -> Chart:
    """Draw precision by recall, with its interval and the baselines."""
    recall = curve.recall.tolist()
    model = Series("model", "line", "s0", curve.precision.tolist(), curve.low.tolist(), curve.high.tolist(), at=recall)
    baselines = [
        Series(name, "line", f"s2 dash-{number % 3}", precision.tolist(), at=recall)
        for number, (name, precision) in enumerate(curve.baselines.items())
    ]
    x = make_share_axis("recall: share of the counterfeits that is flagged")
    title = "Precision against recall"
    return Chart(title, title, x, make_share_axis("precision"), [model, *baselines], height=HEIGHT)


def plot_reliability(bins: Reliability) -> Chart:
    """Draw predicted and observed shares; tenths with fewer than ten listings are hollow."""
    series = [Series("as predicted", "line", "s2 dash-0", [0.0, 1.0], at=[0.0, 1.0])]
    is_few = bins.listings < _FEW_LISTINGS
    for name, css, rows in (("observed", "s0", ~is_few), ("fewer than 10 listings", "s0 few", is_few)):
        if rows.any():
            observed, low, high, at = (
                values[rows].tolist() for values in (bins.observed, bins.low, bins.high, bins.predicted)
            )
            series.append(Series(name, "points", css, observed, low, high, at=at))
    title = "Predicted and observed shares of counterfeits"
    return Chart(title, title, make_share_axis("score"), make_share_axis("share counterfeit"), series, height=HEIGHT)


def plot_scores(histogram: ScoreHistogram) -> Chart:
    """Draw the listings of each class by score; a count of one is a little above zero."""
    most = max(histogram.genuine.max(), histogram.counterfeit.max())

    def height(count: ArrayLike) -> Floats:
        return np.asarray(np.log1p(count) / np.log1p(most))

    marks = [0, *(10**power for power in range(len(str(int(most)))))]
    y = Axis("listings, logarithmic", [(float(height(mark)), shorten_number(mark)) for mark in marks])
    edges = histogram.edges.tolist()
    series = [
        Series(name, "steps", css, height(counts).tolist(), at=edges)
        for name, css, counts in (("genuine", "s2", histogram.genuine), ("counterfeit", "s1", histogram.counterfeit))
    ]
    return Chart("Scores by class", "Scores by class", make_share_axis("score"), y, series, height=HEIGHT)
