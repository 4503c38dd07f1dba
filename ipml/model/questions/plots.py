"""Pictures of the answers to a data scientist's daily questions, one function per question.

Figures are made directly, without pyplot, which keeps a global list of them: a notebook shows what a cell returns, and
`save_plot` writes a file. Texts of sellers are drawn as they are shown elsewhere: invisible letters by their code
points, never as formulae.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from ipml.errors import UnwritableFile
from ipml.kit.hostile_text import show_invisible
from ipml.model.questions.costs import CostCurve
from ipml.model.questions.error_slices import ErrorSlice, ErrorSlices
from ipml.model.questions.learning_curve import LearningCurve
from ipml.model.questions.moves import Moves
from ipml.model.questions.seller_influence import SellerInfluence

MODEL_COLOUR = "#1f5fa8"
COUNTERFEIT_COLOUR = "#c2452d"
GREY = "#6b6b6b"
PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
MOST_ROWS = 10
MOST_LETTERS = 60


def save_plot(figure: Figure, path: Path) -> None:
    """Write a picture; the suffix says which kind.

    Raises
    ------
    UnwritableFile
        The file cannot be written there.
    """
    if path.suffix not in PICTURE_SUFFIXES:
        raise UnwritableFile(path, f"the suffix {path.suffix!r}", " or ".join(PICTURE_SUFFIXES))
    try:
        figure.savefig(path, dpi=130)
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "a file in a folder that exists") from error


def finish_axes(axes: Axes) -> None:
    """Give an axis a quiet frame, a grid, and plain numbers."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            axis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.10g}"))
            axis.set_minor_formatter(NullFormatter())


def plot_error_slices(found: ErrorSlices) -> Figure:
    """Draw the error rate of each slice beside that of all other listings of its class."""
    parts = found.slices[:MOST_ROWS]
    figure = Figure(figsize=(8.5, 1.6 + 0.45 * max(len(parts), 1)), layout="constrained")
    axes = figure.subplots()
    for row, part in enumerate(parts):
        colour = COUNTERFEIT_COLOUR if part.is_worse else GREY
        axes.plot([part.rate.low, part.rate.high], [row, row], color=colour, alpha=0.4, linewidth=5)
        axes.plot(part.rate.value, row, "o", color=colour)
        axes.plot(part.elsewhere.value, row, "|", color="#222222", markersize=14, markeredgewidth=2)
    _name_rows(axes, [name_slice(part) for part in parts])
    n_worse = sum(part.is_worse for part in found.slices)
    axes.set(title=f"{n_worse} slices are clearly worse than other listings", xlim=(0, 1))
    axes.set_xlabel("share that is wrong, with 95 % interval over sellers; line: elsewhere")
    _percent(axes, "x")
    finish_axes(axes)
    return figure


def name_slice(part: ErrorSlice) -> str:
    """Return what a slice is called in a picture or a table."""
    kind = "missed" if part.kind == "missed" else "flagged in error"
    return f"{kind}: {shorten(part.name)}"


def plot_learning_curve(curve: LearningCurve) -> Figure:
    """Draw average precision by number of labels, and its continuation."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    is_ahead = curve.grid >= curve.labels[-1]
    axes.fill_between(curve.grid, curve.low, curve.high, color=MODEL_COLOUR, alpha=0.15, linewidth=0)
    axes.plot(curve.grid[~is_ahead], curve.line[~is_ahead], color=MODEL_COLOUR, linewidth=2)
    label = "forecast, with 95 % interval"
    axes.plot(curve.grid[is_ahead], curve.line[is_ahead], color=MODEL_COLOUR, linewidth=2, linestyle="--", label=label)
    values = np.array([(value.low, value.value, value.high) for value in curve.precision]).T
    axes.vlines(curve.labels, values[0], values[2], color=GREY, alpha=0.5, linewidth=3)
    axes.plot(curve.labels, values[1], "o", color=GREY, label="measured on sellers left out")
    axes.axvline(curve.now, color="#222222", linewidth=1, linestyle=":")
    axes.annotate(" labels now", (curve.now, 0.02), rotation=90, fontsize=8, ha="right", va="bottom")
    times, gain = max(curve.gain.items())
    axes.set(title=f"{times:g} times the labels: average precision {gain.show('+')}", xscale="log", ylim=(0, 1.02))
    axes.set_xlabel("labelled listings (logarithmic)")
    axes.set_ylabel("average precision")
    axes.set_xticks([*curve.labels, curve.grid[-1]], [f"{n:,.0f}" for n in (*curve.labels, curve.grid[-1])])
    finish_axes(axes)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: f"{n:,.0f}"))
    axes.legend(frameon=False, loc="upper left")
    return figure


def plot_costs(curve: CostCurve) -> Figure:
    """Draw the expected cost by the share of the listings that is flagged, and mark the best threshold."""
    figure = Figure(figsize=(7.5, 4.8), layout="constrained")
    axes = figure.subplots()
    shown = curve.flagged > 0
    axes.fill_between(
        curve.flagged[shown], curve.low[shown], curve.high[shown], color=MODEL_COLOUR, alpha=0.15, linewidth=0
    )
    label = "with 95 % interval over sellers"
    axes.plot(curve.flagged[shown], curve.cost[shown], color=MODEL_COLOUR, linewidth=2, label=label)
    axes.axhline(curve.cost[0], color=GREY, linestyle="--", label="flagging nothing")
    number = int(np.argmin(curve.cost))
    label = f"flag from {curve.best.value:.3f}: {curve.flagged[number]:.1%} of the listings"
    axes.plot(
        max(curve.flagged[number], curve.flagged[shown][0]), curve.cost[number], "o", color="#222222", label=label
    )
    unit = f"{curve.currency} " if curve.currency else ""
    axes.set(title=f"The best threshold saves {curve.saved} {unit}per 1,000 listings", xscale="log")
    axes.set_ylim(0, min(float(curve.high.max()), 2.5 * float(curve.cost[0])))
    axes.set_xlabel("share of the listings that is flagged (logarithmic)")
    axes.set_ylabel(f"expected cost, {unit}per 1,000 listings")
    finish_axes(axes)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.3%}".rstrip("0%").rstrip(".") + " %"))
    axes.legend(frameon=False)
    return figure


def plot_seller_influence(influence: SellerInfluence) -> Figure:
    """Draw by how much average precision changes without each seller, those of the largest change."""
    rows = range(min(MOST_ROWS, len(influence.sellers)))
    figure = Figure(figsize=(8.5, 1.6 + 0.38 * len(rows)), layout="constrained")
    axes = figure.subplots()
    change = np.nan_to_num(influence.change[: len(rows)])
    axes.barh(rows, change, color=np.where(change < 0, MODEL_COLOUR, COUNTERFEIT_COLOUR).tolist(), alpha=0.85)
    axes.axvline(0, color="#222222", linewidth=1)
    counts = zip(influence.sellers, influence.counterfeits, influence.listings, strict=True)
    _name_rows(
        axes,
        [f"{shorten(seller, 24)}: {fakes:,} of {n:,} counterfeit" for seller, fakes, n in list(counts)[: len(rows)]],
    )
    top = influence.top_share(5)
    axes.set(title=f"Five sellers make up {top:.0%} of the average precision, {influence.average_precision}")
    axes.set_xlabel("change of average precision when the seller is left out of the test")
    finish_axes(axes)
    return figure


def plot_moves(moves: Moves) -> Figure:
    """Draw the score of each listing by the second model against that by the first, by label where there is one."""
    figure = Figure(figsize=(6, 5.6), layout="constrained")
    axes = figure.subplots()
    for label, colour, rows in (
        ("no label", GREY, np.isnan(moves.y)),
        ("genuine", MODEL_COLOUR, moves.y == 0),
        ("counterfeit", COUNTERFEIT_COLOUR, moves.y == 1),
    ):
        if rows.any():
            axes.plot(
                moves.before[rows], moves.after[rows], ".", color=colour, alpha=0.35, label=label, rasterized=True
            )
    axes.plot([0, 1], [0, 1], color="#222222", linewidth=1, linestyle="--")
    axes.set(
        title=f"{moves.moved.value:.1%} of the scores moved by more than 0.1", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02)
    )
    axes.set_xlabel("score by the first model")
    axes.set_ylabel("score by the second model")
    finish_axes(axes)
    axes.legend(frameon=False, loc="upper left")
    return figure


def shorten(text: str, most: int = MOST_LETTERS) -> str:
    """Return a text of a seller as it can be drawn or printed.

    Examples
    --------
    >>> shorten("brand is \\u202eekiN", 40), shorten("abcdef", 4)
    ('brand is ⟦U+202E⟧ekiN', 'abc…')
    """
    shown = " ".join(show_invisible(text).split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.invert_yaxis()


def _percent(axes: Axes, axis: str) -> None:
    (axes.xaxis if axis == "x" else axes.yaxis).set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
