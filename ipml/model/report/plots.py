"""Pictures of an evaluation: precision against recall, predicted against observed, and the scores by class.

Figures are made directly, without pyplot, which keeps a global list of them. What they show is worked out by
`ipml.model.report.curves`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from ipml.model.questions.plots import COUNTERFEIT_COLOUR, GREY, MODEL_COLOUR, finish_axes
from ipml.model.report.curves import (
    PrecisionRecall,
    Reliability,
    ScoreHistogram,
    precision_recall,
    reliability,
    score_histogram,
)

_DASHES = ("--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))


def plot_curves(
    y: ArrayLike,
    score: ArrayLike,
    sellers: ArrayLike,
    folder: Path,
    *,
    baselines: Mapping[str, ArrayLike] | None = None,
    weight: ArrayLike | None = None,
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
    weight : array of shape (n_listings,), optional
        What each listing counts, as `count_by_probability` returns it; once where none is given.
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
    drawn: dict[str, Any] = {"weight": weight, "n_resamples": n_resamples, "seed": seed}
    curve = precision_recall(y, score, sellers, baselines=baselines, **drawn)
    figures = {
        "precision_recall": _draw_precision_recall(curve),
        "reliability": _draw_reliability(reliability(y, score, sellers, **drawn)),
        "scores": _draw_scores(score_histogram(y, score, weight)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=130)
    return paths


MOST_PANELS = 8
"""Parameters that a picture of a search shows; the first of the sweep."""
FEW_VALUES = 8
"""Up to so many numbers are each named on the axis."""


def plot_search(
    values: Sequence[Mapping[str, Any]], scores: Sequence[float], path: Path, *, logarithmic: Collection[str] = ()
) -> Path:
    """Draw the trials of a search into a PNG: one after the other, and by the value of each parameter; return its path.

    Parameters
    ----------
    values : sequence of mapping of str to object
        What was tried, in that order, by the name of the parameter.
    scores : sequence of float
        The average precision of each on sellers left out.
    path : Path
    logarithmic : collection of str, optional
        Parameters whose axis is logarithmic.
    """
    names = list(values[0])[:MOST_PANELS]
    n_rows = (len(names) + 2) // 2
    figure = Figure(figsize=(10, 3.2 * n_rows), layout="constrained")
    history, *panels = figure.subplots(n_rows, 2, sharey=True, squeeze=False).ravel()
    best = int(np.argmax(scores))
    numbers = np.arange(1, len(scores) + 1)
    history.plot(
        numbers, np.maximum.accumulate(scores), color=MODEL_COLOUR, drawstyle="steps-post", label="best so far"
    )
    history.xaxis.set_major_locator(MaxNLocator(integer=True))
    history.set(title="Trials", xlabel="trial")
    _mark_trials(history, numbers, scores, best)
    history.legend(frameon=False, loc="lower right")
    for axes, name in zip(panels, names, strict=False):
        column = [trial[name] for trial in values]
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in column):
            texts = list(dict.fromkeys(map(str, column)))
            axes.set_xticks(range(len(texts)), [text[:20] for text in texts])
            column = [texts.index(str(value)) for value in column]
        elif name in logarithmic:
            axes.set_xscale("log")
        elif len(set(column)) <= FEW_VALUES:
            axes.set_xticks(sorted(set(column)))
        axes.set(title=name)
        _mark_trials(axes, column, scores, best)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.savefig(path, dpi=130)
    return path


def _mark_trials(axes: Axes, places: ArrayLike, scores: Sequence[float], best: int) -> None:
    """Draw a point for each trial, the best in a colour of its own."""
    axes.plot(places, scores, "o", color=GREY, alpha=0.6)
    axes.plot(np.asarray(places)[best], scores[best], "o", color=COUNTERFEIT_COLOUR, markersize=9, label="best")
    axes.set_ylabel("average precision")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)


def _draw_precision_recall(curve: PrecisionRecall) -> Figure:
    """Draw the curve of the model with its band, and the curves of the baselines."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    label = "model, with 95 % interval over sellers"
    axes.fill_between(curve.recall, curve.low, curve.high, color=MODEL_COLOUR, alpha=0.18, linewidth=0)
    axes.plot(curve.recall, curve.precision, color=MODEL_COLOUR, linewidth=2, label=label)
    for number, (name, precision) in enumerate(curve.baselines.items()):
        dashes = _DASHES[number % len(_DASHES)]
        axes.plot(curve.recall, precision, color=GREY, linestyle=dashes, label=name.replace("_", " "))
    axes.set(title="Precision against recall", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_xlabel("recall: share of the counterfeits that is flagged")
    axes.set_ylabel("precision: share of the flagged that is counterfeit")
    finish_axes(axes)
    axes.legend(frameon=False)
    return figure


def _draw_reliability(bins: Reliability) -> Figure:
    """Draw observed shares against the predicted, with bars for their intervals; how many score what."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", label="as predicted")
    axes.vlines(bins.predicted, bins.low, bins.high, color=MODEL_COLOUR, alpha=0.45, linewidth=3)
    label = "observed, with 95 % interval over sellers"
    axes.plot(bins.predicted, bins.observed, "o", color=MODEL_COLOUR, label=label)
    axes.set(title="Do probabilities mean what they say?", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_ylabel("share that is counterfeit")
    axes.legend(frameon=False, loc="upper left")
    counts.bar(bins.start, bins.listings, width=0.092, align="edge", color=GREY)
    counts.set(yscale="log", ylim=(0.7, None))
    counts.set_ylabel("listings (logarithmic)")
    counts.set_xlabel("predicted probability of counterfeit, by tenths")
    for part in (axes, counts):
        finish_axes(part)
    return figure


def _draw_scores(histogram: ScoreHistogram) -> Figure:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, counts, colour in (
        ("genuine", histogram.genuine, GREY),
        ("counterfeit", histogram.counterfeit, COUNTERFEIT_COLOUR),
    ):
        label = f"{name}: {counts.sum():,.0f} listings"
        axes.stairs(counts, histogram.edges, fill=True, color=colour, alpha=0.35)
        axes.stairs(counts, histogram.edges, color=colour, linewidth=1.8, label=label)
    axes.set(title="Scores of genuine and counterfeit listings", xlim=(0, 1), yscale="log", ylim=(0.7, None))
    axes.set_xlabel("score: predicted probability of counterfeit")
    axes.set_ylabel("listings (logarithmic)")
    finish_axes(axes)
    axes.legend(frameon=False)
    return figure
