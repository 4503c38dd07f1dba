"""Pictures of an evaluation: precision against recall, predicted against observed, and the scores by class.

Figures are made directly, without pyplot, which keeps a global list of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike, NDArray

from ipml.model.metrics import INTERVAL_PERCENTILES
from ipml.model.ranking import Floats, Ranking, check_scores, rank_once
from ipml.model.resampling import resample_rankings

_MODEL_COLOUR = "#1f5fa8"
_COUNTERFEIT_COLOUR = "#c2452d"
_GREY = "#6b6b6b"
_DASHES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))
_RECALLS = np.linspace(0.005, 1, 200)
_RELIABILITY_BINS = 10
_SCORE_BINS = [edge / 40 for edge in range(41)]


def plot_curves(
    y: ArrayLike,
    score: ArrayLike,
    sellers: ArrayLike,
    folder: Path,
    *,
    baselines: Mapping[str, ArrayLike] | None = None,
    n_resamples: int = 200,
    seed: int = 0,
) -> list[Path]:
    """Draw the curves of a model into PNG files and return their paths.

    Parameters
    ----------
    y, score : array of shape (n_listings,)
        Truth (0 or 1) and the model's probabilities.
    sellers : array of shape (n_listings,)
        Who offers each listing; the band and the bars are 95 % intervals over sellers.
    folder : Path
        Where the files go; made where it does not exist.
    baselines : mapping of str to array of shape (n_listings,), optional
        Probabilities of the baselines by name.
    n_resamples : int, default=200
        Resamples of the sellers, for the intervals.
    seed : int, default=0

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     paths = plot_curves([1, 0, 1, 0], [0.9, 0.2, 0.6, 0.4], list("abcd"), Path(folder), n_resamples=9)
    >>> [path.name for path in paths]
    ['precision_recall.png', 'reliability.png', 'scores.png']
    """
    truth, scores = check_scores(y, score)
    ranking = rank_once(truth, scores)
    first = _first_of_bins(ranking)
    precisions, observed = [], []
    for _, resampled in resample_rankings(truth, scores, sellers, n_resamples=n_resamples, seed=seed):
        precisions.append(_precision_at_recalls(resampled))
        observed.append(_observed_by_bin(resampled, first))
    predicted = _predicted_by_bin(ranking, first)
    lines = {name: _precision_line(truth, baseline) for name, baseline in (baselines or {}).items()}
    figures = {
        "precision_recall": _draw_precision_recall(np.vstack(precisions), lines),
        "reliability": _draw_reliability(predicted, np.vstack(observed), scores),
        "scores": _draw_scores(truth, scores),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=130)
    return paths


def _draw_precision_recall(precisions: Floats, baselines: Mapping[str, Floats]) -> Figure:
    """Draw the first curve, the band of the others, and the curves of the baselines."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    low, high = np.percentile(precisions, INTERVAL_PERCENTILES, axis=0)
    label = "model, with 95 % interval over sellers"
    axes.fill_between(_RECALLS, low, high, color=_MODEL_COLOUR, alpha=0.18, linewidth=0)
    axes.plot(_RECALLS, precisions[0], color=_MODEL_COLOUR, linewidth=2, label=label)
    for number, (name, precision) in enumerate(baselines.items()):
        dashes = _DASHES[number % len(_DASHES)]
        axes.plot(_RECALLS, precision, color=_GREY, linestyle=dashes, label=name.replace("_", " "))
    axes.set(title="Precision against recall", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("recall: share of the counterfeits that is flagged")
    axes.set_ylabel("precision: share of the flagged that is counterfeit")
    _finish(axes)
    axes.legend(frameon=False)
    return figure


def _precision_at_recalls(ranking: Ranking) -> Floats:
    """Return the precision at the first threshold that reaches each recall, shape (n_samples, n_recalls)."""
    reached = np.array([np.searchsorted(recall, _RECALLS - 1e-12) for recall in ranking.recall])
    return np.take_along_axis(ranking.precision, reached, axis=1)


def _precision_line(y: Floats, score: ArrayLike) -> Floats:
    line: Floats = _precision_at_recalls(rank_once(*check_scores(y, score)))[0]
    return line


def _draw_reliability(predicted: Floats, observed: Floats, score: Floats) -> Figure:
    """Draw the first observed shares against the predicted, bars for the others; how many score what."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    low, high = np.nanpercentile(observed, INTERVAL_PERCENTILES, axis=0)
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", label="as predicted")
    axes.vlines(predicted, low, high, color=_MODEL_COLOUR, alpha=0.45, linewidth=3)
    axes.plot(predicted, observed[0], "o", color=_MODEL_COLOUR, label="observed, with 95 % interval over sellers")
    axes.set(title="Do probabilities mean what they say?", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_ylabel("share that is counterfeit")
    axes.legend(frameon=False, loc="upper left")
    counts.hist(score, bins=_RELIABILITY_BINS, range=(0, 1), color=_GREY, rwidth=0.92)
    counts.set(yscale="log", ylim=(0.7, None))
    counts.set_ylabel("listings (logarithmic)")
    counts.set_xlabel("predicted probability of counterfeit, by tenths")
    for part in (axes, counts):
        _finish(part)
    return figure


def _first_of_bins(ranking: Ranking) -> NDArray[np.intp]:
    """Return where each tenth of the scale begins, highest first; tenths without listings are left out."""
    bins = np.minimum(_RELIABILITY_BINS * ranking.scores, _RELIABILITY_BINS - 1).astype(np.intp)
    return np.flatnonzero(np.diff(bins, prepend=_RELIABILITY_BINS))


def _sum_by_bin(cumulated: Floats, first: NDArray[np.intp]) -> Floats:
    return np.add.reduceat(np.diff(cumulated, axis=1, prepend=0.0), first, axis=1)


def _predicted_by_bin(ranking: Ranking, first: NDArray[np.intp]) -> Floats:
    weighted = np.cumsum(np.diff(ranking.listings, prepend=0.0) * ranking.scores, axis=1)
    predicted: Floats = (_sum_by_bin(weighted, first) / _sum_by_bin(ranking.listings, first))[0]
    return predicted


def _observed_by_bin(ranking: Ranking, first: NDArray[np.intp]) -> Floats:
    """Return the share of counterfeits by bin, shape (n_samples, n_bins); NaN where a sample has none."""
    listings, positives = _sum_by_bin(ranking.listings, first), _sum_by_bin(ranking.positives, first)
    return np.divide(positives, listings, out=np.full_like(listings, np.nan), where=listings > 0)


def _draw_scores(y: Floats, score: Floats) -> Figure:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for truth, name, colour in ((0, "genuine", _GREY), (1, "counterfeit", _COUNTERFEIT_COLOUR)):
        scores = score[y == truth]
        label = f"{name}: {len(scores):,} listings"
        axes.hist(scores, bins=_SCORE_BINS, histtype="stepfilled", color=colour, alpha=0.35)
        axes.hist(scores, bins=_SCORE_BINS, histtype="step", color=colour, linewidth=1.8, label=label)
    axes.set(title="Scores of genuine and counterfeit listings", xlim=(0, 1), yscale="log", ylim=(0.7, None))
    axes.set_xlabel("score: predicted probability of counterfeit")
    axes.set_ylabel("listings (logarithmic)")
    _finish(axes)
    axes.legend(frameon=False)
    return figure


def _finish(axes: Axes) -> None:
    """Give an axis a quiet frame, a grid, and plain numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))
