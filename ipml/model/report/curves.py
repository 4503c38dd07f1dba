"""The curves of an evaluation: as numbers, and as paths of an SVG drawing, which the page colours by day and by night.

The drawings of a report share one frame: 360 wide, 240 high, the plot itself from (44, 10) to (350, 200).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipml.kit.svg import Scale, make_ticks, round_up, write_path
from ipml.model.evaluation.metrics import INTERVAL_PERCENTILES, Estimate
from ipml.model.evaluation.ranking import (
    DEFAULT_RESAMPLING,
    Floats,
    Resampling,
    ScoreRanking,
    check_scores,
    rank_once,
    resample_rankings,
)
from ipml.model.questions.costs import CostCurve
from ipml.model.questions.learning_curve import LearningCurve

_RECALLS = np.linspace(0.005, 1, 200)
_RELIABILITY_BINS = 10
_SCORE_BINS = 40


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
        Where the tenth begins.
    predicted : array of shape (n_bins,)
        Mean score of its listings.
    observed, low, high : array of shape (n_bins,)
        Share of counterfeits among them, and its 95 % interval over sellers.
    listings : array of shape (n_bins,)
        How many there are, counted as their weights say.
    """

    start: Floats
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    listings: Floats


@dataclass(frozen=True)
class ScoreHistogram:
    """How many genuine and counterfeit listings score between each two edges."""

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
        Truth (0 or 1), the model's probabilities, and who offers each listing.
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
    """Return, by tenths of the scale, which share of counterfeits was predicted and which observed.

    Listings count as their weights say, as for `precision_recall`.

    Examples
    --------
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
    """Count the listings of each class by fortieths of the scale, as their weights say.

    Examples
    --------
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
    """Return where each tenth of the scale begins, highest first; tenths without listings are left out."""
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


place_x, place_y = Scale(0, 1, 44, 350), Scale(0, 1, 200, 10)


def line(xs: ArrayLike, ys: ArrayLike) -> str:
    """Return the path through points in 0-1.

    Examples
    --------
    >>> line([0, 1], [0, 0.5])
    'M44 200 L350 105'
    """
    points = zip(np.asarray(xs, dtype=float), np.asarray(ys, dtype=float), strict=True)
    return write_path((place_x(x), place_y(y)) for x, y in points)


def band(xs: ArrayLike, low: ArrayLike, high: ArrayLike) -> str:
    """Return the outline of what lies between two curves.

    Examples
    --------
    >>> band([0, 1], [0, 0], [1, 1])
    'M44 10 L350 10 L350 200 L44 200Z'
    """
    along = np.asarray(xs, dtype=float)
    both = np.concatenate([np.asarray(high, dtype=float), np.asarray(low, dtype=float)[::-1]])
    return line(np.concatenate([along, along[::-1]]), both) + "Z"


def steps(edges: ArrayLike, heights: ArrayLike) -> str:
    """Return the outline of a histogram whose heights lie in 0-1.

    Examples
    --------
    >>> steps([0, 0.5, 1], [1, 0])
    'M44 200 L44 10 L197 10 L197 200 L350 200 L350 200Z'
    """
    xs = np.repeat(np.asarray(edges, dtype=float), 2)
    ys = np.concatenate([[0.0], np.repeat(np.asarray(heights, dtype=float), 2), [0.0]])
    return line(xs, ys) + "Z"


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis: where it is, in 0-1, and what it says."""

    at: float
    text: str


SHARE_TICKS = tuple(Tick(share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0))


@dataclass(frozen=True)
class LogHistogram:
    """A histogram of counts on a logarithmic scale, its heights in 0-1; `ticks` say which height is which count."""

    edges: Floats
    genuine: Floats
    counterfeit: Floats
    ticks: tuple[Tick, ...]


def log_histogram(histogram: ScoreHistogram) -> LogHistogram:
    """Return counts as heights: nothing at the bottom, one listing a little above it.

    Examples
    --------
    >>> counts = np.array([99, 0])
    >>> drawn = log_histogram(ScoreHistogram(np.array([0, 0.5, 1]), counts, counts))
    >>> drawn.genuine.round(2), [tick.text for tick in drawn.ticks]
    (array([1., 0.]), ['0', '1', '10'])
    """
    most = max(histogram.genuine.max(), histogram.counterfeit.max())

    def height(count: ArrayLike) -> Floats:
        return np.asarray(np.log1p(count) / np.log1p(most))

    marks = [0, *(10**power for power in range(len(str(most))) if 10**power <= most)]
    ticks = tuple(Tick(float(height(mark)), f"{mark:,}") for mark in marks)
    return LogHistogram(histogram.edges, height(histogram.genuine), height(histogram.counterfeit), ticks)


@dataclass(frozen=True)
class LogChart:
    """A curve over a logarithmic axis, all of it in 0-1.

    Attributes
    ----------
    x, y, low, high : array of shape (n_points,)
        The curve and its interval.
    x_ticks, y_ticks : tuple of Tick
    points : tuple of (float, Estimate)
        What is marked, with its interval.
    n_measured : int
        Points of the curve before its forecast.
    level : float or None
        Height of a line across.
    """

    x: Floats
    y: Floats
    low: Floats
    high: Floats
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    points: tuple[tuple[float, Estimate], ...]
    n_measured: int
    level: float | None = None


def shorten_amount(amount: int) -> str:
    """Return an amount as it fits beside an axis.

    Examples
    --------
    >>> shorten_amount(500), shorten_amount(20_000), shorten_amount(1_500_000)
    ('500', '20 k', '1.5 M')
    """
    size, unit = (1e6, " M") if amount >= 1e6 else (1e3, " k") if amount >= 1e4 else (1, "")
    return f"{amount / size:g}{unit}"


def chart_costs(costs: CostCurve) -> LogChart:
    """Return the expected cost by the share that is flagged; what costs far more than flagging nothing is left out."""
    top = max(float(costs.cost[1]), min(float(costs.high.max()), 2 * float(costs.cost[0])))
    shown = (costs.flagged > 0) & (costs.cost <= top)
    flagged = costs.flagged[shown]
    powers = np.array([10.0**power for power in range(-6, 1) if 10.0**power >= flagged[0]])
    x, ticks = (1 - np.log(shares) / min(np.log(flagged[0]), -1e-9) for shares in (flagged, powers))
    y, low, high = (np.minimum(values[shown] / top, 1.0) for values in (costs.cost, costs.low, costs.high))
    best = int(np.argmin(y))
    return LogChart(
        x,
        y,
        low,
        high,
        tuple(Tick(at, f"{100 * share:g} %") for at, share in zip(ticks.tolist(), powers.tolist(), strict=True)),
        tuple(Tick(cost / top, shorten_amount(cost)) for cost in make_ticks(round_up(top)) if cost <= top),
        ((float(x[best]), Estimate(y[best], low[best], high[best])),),
        len(x),
        level=float(costs.cost[0]) / top,
    )


def chart_learning(curve: LearningCurve) -> LogChart:
    """Return the average precision by number of labels, with its forecast."""
    x, sizes = (
        np.log(numbers / curve.grid[0]) / np.log(curve.grid[-1] / curve.grid[0])
        for numbers in (curve.grid, curve.labels)
    )
    ticks = [*zip(sizes, curve.labels, strict=True), (1.0, curve.grid[-1])]
    return LogChart(
        x,
        curve.line,
        curve.low,
        curve.high,
        tuple(Tick(at, f"{n:,.0f}") for at, n in ticks),
        SHARE_TICKS,
        tuple(zip(sizes.tolist(), curve.precision, strict=True)),
        int(np.sum(x <= sizes[-1])),
    )
