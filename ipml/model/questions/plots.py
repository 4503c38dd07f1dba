"""Pictures of the answers to a data scientist's daily questions, one function per question.

Figures are made directly, without pyplot, which keeps a global list of them. Texts of sellers are drawn as they are
shown elsewhere: invisible letters by their code points, never as formulae.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter
from numpy.typing import ArrayLike

from ipml.errors import UnwritableFile
from ipml.kit.hostile_text import show_invisible
from ipml.model.evaluation.metrics import Estimate
from ipml.model.questions.costs import CostCurve
from ipml.model.questions.error_slices import ErrorSlice, ErrorSlices
from ipml.model.questions.learning_curve import LearningCurve
from ipml.model.questions.moves import Moves
from ipml.model.questions.seller_influence import SellerInfluence

MODEL_COLOUR = "#1f5fa8"
COUNTERFEIT_COLOUR = "#c2452d"
GREY = "#6b6b6b"
COLOURS = (COUNTERFEIT_COLOUR, GREY, MODEL_COLOUR)
PICTURE_SUFFIXES = (".png", ".svg", ".pdf")
MOST_ROWS = 10
MOST_LETTERS = 60


class Picture(Figure):
    """A figure that a notebook shows where a cell returns it."""

    def _repr_png_(self) -> bytes:
        written = BytesIO()
        self.savefig(written, format="png")
        return written.getvalue()


def check_suffix(path: Path) -> None:
    """Refuse a path whose suffix names no kind of picture."""
    if path.suffix not in PICTURE_SUFFIXES:
        raise UnwritableFile(path, f"the suffix {path.suffix!r}", " or ".join(PICTURE_SUFFIXES))


def save_plot(figure: Figure, path: Path) -> None:
    """Write a picture; the suffix says which kind.

    Raises
    ------
    UnwritableFile
        The file cannot be written there.
    """
    check_suffix(path)
    try:
        figure.savefig(path, dpi=130)
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "a file in a folder that exists") from error


def finish_axes(axes: Axes) -> None:
    """Give an axis a quiet frame, a grid, plain numbers, and a legend where anything has a name."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
        if scale == "log":
            axis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.10g}"))
            axis.set_minor_formatter(NullFormatter())
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _begin(title: str, x_label: str, y_label: str, size: tuple[float, float] = (7.5, 4.4)) -> tuple[Picture, Axes]:
    figure = Picture(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    return figure, axes


def plot_intervals(
    rows: Mapping[str, Estimate],
    title: str,
    label: str,
    *,
    marks: Sequence[float] = (),
    line: float | None = None,
    stressed: Collection[str] = (),
    is_share: bool = True,
) -> Picture:
    """Draw figures one below the other, each with its interval.

    Parameters
    ----------
    rows : mapping of str to Estimate
    title, label : str
        Above the picture and below its axis.
    marks : sequence of float, optional
        What each row is compared with.
    line : float, optional
        What all rows are compared with.
    stressed : collection of str, optional
        Rows in a colour of their own.
    is_share : bool, default=True
        Whether the axis counts percent.
    """
    figure = Picture(figsize=(8.5, 1.4 + 0.42 * max(len(rows), 1)), layout="constrained")
    axes = figure.subplots()
    for row, (name, value) in enumerate(rows.items()):
        colour = COUNTERFEIT_COLOUR if name in stressed else MODEL_COLOUR
        axes.plot([value.low, value.high], [row, row], color=colour, alpha=0.4, linewidth=5)
        axes.plot(value.value, row, "o", color=colour)
    axes.plot(marks, range(len(marks)), "|", color="#222222", markersize=14, markeredgewidth=2)
    if line is not None:
        axes.axvline(line, color="#222222", linewidth=1, linestyle="--")
    axes.set_yticks(range(len(rows)), list(rows), parse_math=False)
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    figure.suptitle(title)
    figure.supxlabel(label, fontsize=10)
    if is_share:
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, 0))
    finish_axes(axes)
    return figure


def plot_lines(lines: Mapping[str, ArrayLike], title: str, x_label: str, y_label: str) -> Picture:
    """Draw lines over 0, 1, 2 …, such as what is found by number of listings read."""
    figure, axes = _begin(title, x_label, y_label)
    for (name, values), colour in zip(lines.items(), COLOURS, strict=False):
        axes.plot(np.asarray(values), color=colour, linewidth=2, label=name)
    axes.set(xlim=(0, None), ylim=(0, None))
    finish_axes(axes)
    return figure


def plot_histograms(values: Mapping[str, ArrayLike], edges: ArrayLike, title: str, label: str) -> Picture:
    """Draw which share of each group lies between edges that grow by a factor; what lies beyond counts at the ends."""
    figure, axes = _begin(title, label, "")
    bins = np.asarray(edges, dtype=float)
    for (name, group), colour in zip(values.items(), COLOURS, strict=False):
        known = np.asarray(group, dtype=float)
        counts = np.histogram(np.clip(known[~np.isnan(known)], bins[0], bins[-1]), bins)[0]
        axes.stairs(counts / max(counts.sum(), 1), bins, color=colour, linewidth=1.8, label=name)
    axes.set_xscale("log")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    finish_axes(axes)
    return figure


def plot_error_slices(found: ErrorSlices) -> Picture:
    """Draw the error rate of each slice beside that of all other listings of its class."""
    parts = {name_slice(part): part for part in found.slices[:MOST_ROWS]}
    worse = [name for name, part in parts.items() if part.is_worse]
    return plot_intervals(
        {name: part.rate for name, part in parts.items()},
        f"Slices clearly worse than other listings: {len(worse)} of {len(found.slices)}",
        "share that is wrong, with 95 % interval over sellers; black: elsewhere",
        marks=[part.elsewhere.value for part in parts.values()],
        stressed=worse,
    )


def name_slice(part: ErrorSlice) -> str:
    """Return what a slice is called in a picture or a table."""
    kind = "missed" if part.kind == "missed" else "flagged in error"
    return f"{kind}: {shorten(part.name)}"


def plot_learning_curve(curve: LearningCurve) -> Picture:
    """Draw average precision by number of labels, and its continuation."""
    times, gain = max(curve.gain.items())
    title = f"{times:g} times the labels now: average precision {gain.show('+')}"
    figure, axes = _begin(title, "labelled listings (logarithmic)", "average precision")
    n = int(np.sum(curve.grid <= curve.labels[-1]))
    axes.fill_between(curve.grid, curve.low, curve.high, color=MODEL_COLOUR, alpha=0.15, linewidth=0)
    axes.plot(curve.grid[:n], curve.line[:n], color=MODEL_COLOUR, linewidth=2)
    label = "forecast, with 95 % interval"
    axes.plot(curve.grid[n - 1 :], curve.line[n - 1 :], "--", color=MODEL_COLOUR, linewidth=2, label=label)
    low, value, high = np.array([(value.low, value.value, value.high) for value in curve.precision]).T
    axes.vlines(curve.labels, low, high, color=GREY, alpha=0.5, linewidth=3)
    axes.plot(curve.labels, value, "o", color=GREY, label="measured on sellers left out")
    axes.axvline(curve.now, color="#222222", linewidth=1, linestyle=":", label="labels now")
    axes.set(xscale="log", ylim=(0, 1.02), xticks=np.round([*curve.labels, curve.grid[-1]]))
    finish_axes(axes)
    return figure


def plot_costs(curve: CostCurve) -> Picture:
    """Draw the expected cost by the share of the listings that is flagged, and mark the best threshold."""
    unit = f"{curve.currency} " if curve.currency else ""
    title = f"The best threshold saves {curve.saved} {unit}per 1,000 listings"
    label = "share of the listings that is flagged (logarithmic)"
    figure, axes = _begin(title, label, f"expected cost, {unit}per 1,000 listings")
    flagged, cost, low, high = (part[curve.flagged > 0] for part in (curve.flagged, curve.cost, curve.low, curve.high))
    best = int(np.argmin(cost))
    axes.fill_between(flagged, low, high, color=MODEL_COLOUR, alpha=0.15, linewidth=0)
    axes.plot(flagged, cost, color=MODEL_COLOUR, linewidth=2, label="with 95 % interval over sellers")
    axes.axhline(curve.cost[0], color=GREY, linestyle="--", label="flagging nothing")
    label = f"flag from {curve.best.value:.3f}: {flagged[best]:.1%} of the listings"
    axes.plot(flagged[best], cost[best], "o", color="#222222", label=label)
    axes.set(xscale="log", ylim=(0, min(float(high.max()), 2.5 * float(curve.cost[0]))))
    finish_axes(axes)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    return figure


def plot_seller_influence(influence: SellerInfluence) -> Picture:
    """Draw by how much average precision changes without each seller, those of the largest change."""
    rows, n_shown = {}, min(MOST_ROWS, len(influence.sellers))
    for number, change in enumerate(np.nan_to_num(influence.change[:n_shown]).tolist()):
        fakes, n = influence.counterfeits[number], influence.listings[number]
        name = f"{shorten(influence.sellers[number], 24)}: {fakes:,} of {n:,} counterfeit"
        rows[name] = Estimate(change, min(change, 0.0), max(change, 0.0))
    return plot_intervals(
        rows,
        f"Five sellers make up {influence.top_share(5):.0%} of the average precision, {influence.average_precision}",
        "change of average precision when the seller is left out of the test",
        line=0.0,
        stressed=[name for name, change in rows.items() if change.value > 0],
        is_share=False,
    )


def plot_moves(moves: Moves) -> Picture:
    """Draw the score of each listing by the second model against that by the first, by label where there is one."""
    title = f"{moves.moved.value:.1%} of the scores moved by more than 0.1"
    figure, axes = _begin(title, "score by the first model", "score by the second model", (6, 5.6))
    for label, colour, rows in (
        ("no label", GREY, np.isnan(moves.y)),
        ("genuine", MODEL_COLOUR, moves.y == 0),
        ("counterfeit", COUNTERFEIT_COLOUR, moves.y == 1),
    ):
        if rows.any():
            drawn: dict[str, Any] = {"color": colour, "alpha": 0.35, "label": label, "rasterized": True}
            axes.plot(moves.before[rows], moves.after[rows], ".", **drawn)
    axes.plot([0, 1], [0, 1], color="#222222", linewidth=1, linestyle="--")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    finish_axes(axes)
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
