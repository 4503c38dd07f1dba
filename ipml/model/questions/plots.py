"""Plots: charts of the answers to a data scientist's daily questions, one function per question.

A notebook shows a chart that a cell returns; `save_plot` writes it as SVG. Texts of sellers are drawn as they are shown
elsewhere: invisible letters by their code points.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ipml.errors import UnwritableFile
from ipml.kit.charts import (
    Axis,
    BarRow,
    Chart,
    RowChart,
    Series,
    make_share_axis,
    make_value_axis,
    write_chart_file,
)
from ipml.kit.hostile_text import show_invisible
from ipml.model.evaluation.metrics import Estimate
from ipml.model.questions.costs import CostCurve
from ipml.model.questions.error_slices import ErrorSlice, ErrorSlices
from ipml.model.questions.learning_curve import LearningCurve
from ipml.model.questions.moves import Moves
from ipml.model.questions.seller_influence import SellerInfluence

PICTURE_SUFFIX = ".svg"
MOST_ROWS = 10
MOST_LETTERS = 60
HEIGHT = 200  # pixels
_MOST_POINTS = 500


def check_suffix(path: Path) -> None:
    """Refuse a path whose suffix is not that of a picture."""
    if path.suffix != PICTURE_SUFFIX:
        raise UnwritableFile(path, f"the suffix {path.suffix!r}", PICTURE_SUFFIX)


def save_plot(chart: Chart | RowChart, path: Path) -> None:
    """Write a chart as SVG.

    Raises `UnwritableFile`: the file cannot be written there.
    """
    check_suffix(path)
    try:
        path.write_text(write_chart_file(chart), encoding="utf-8")
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "a file in a folder that exists") from error


def plot_intervals(
    rows: Mapping[str, Estimate],
    title: str,
    label: str,
    *,
    marks: Sequence[float] = (),
    line: float | None = None,
    stressed: Collection[str] = (),
    is_share: bool = True,
) -> RowChart:
    """Draw figures one below the other, each with its interval.

    Parameters
    ----------
    title, label : str
        Above the chart and below its axis.
    marks : sequence of float, optional
        A value to compare each row with.
    line : float, optional
        A value to compare all rows with.
    stressed : collection of str, optional
        Rows in a colour of their own.
    is_share : bool, default=True
        Whether the axis counts percent.
    """
    drawn = [
        BarRow(
            name,
            value.value,
            f"{value.value:.0%} ({value.low:.0%} to {value.high:.0%})" if is_share else f"{value.value:+.3g}",
            value.low,
            value.high,
            marks[place] if len(marks) else None,
            "s1" if name in stressed else "s0",
        )
        for place, (name, value) in enumerate(rows.items())
    ]
    axis = Axis(label, [(share, f"{share:.0%}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)])
    if not is_share:
        values = [*marks, *([] if line is None else [line])]
        values += [value for row in rows.values() for value in (row.low, row.value, row.high)]
        low, high = min([0.0, *values]), max([0.0, *values])
        ends = [(low, f"{low:.2g}"), (high, f"{high:.2g}")] if high > low else []
        axis = Axis(label, ends, high if high > low else low + 1, low)
    return RowChart(title, f"{title}: {label}", axis, drawn, line)


def plot_lines(lines: Mapping[str, ArrayLike], title: str, x_label: str, y_label: str) -> Chart:
    """Draw lines over 0, 1, 2 …, such as counterfeits found by number of listings read."""
    series, longest, largest = [], 1, 0.0
    for number, (name, given) in enumerate(lines.items()):
        values = np.asarray(given, dtype=float)
        longest, largest = max(longest, len(values) - 1), max(largest, float(values.max(initial=0.0)))
        shown = np.unique(np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).round().astype(int))
        series.append(Series(name, "line", f"s{number % 3}", values[shown].tolist(), at=shown.tolist()))
    return Chart(
        title,
        f"{title}: {y_label} by {x_label}",
        make_value_axis(x_label, longest),
        make_value_axis(y_label, largest),
        series,
        height=HEIGHT,
    )


def plot_histograms(values: Mapping[str, ArrayLike], edges: ArrayLike, title: str, label: str) -> Chart:
    """Draw the share of each group between edges that grow by a factor; values beyond count at the ends."""
    bins, series, largest = np.asarray(edges, dtype=float), [], 0.0
    for number, (name, group) in enumerate(values.items()):
        numbers = np.asarray(group, dtype=float)
        counts = np.histogram(np.clip(numbers[~np.isnan(numbers)], bins[0], bins[-1]), bins)[0]
        shares = 100 * counts / max(counts.sum(), 1)
        largest = max(largest, float(shares.max(initial=0.0)))
        series.append(Series(name, "steps", f"s{number % 3}", shares.tolist(), at=bins.tolist()))
    powers = [10.0**power for power in range(-12, 13) if bins[0] <= 10.0**power <= bins[-1]]
    x = Axis(label, [(power, f"{power:,.10g}") for power in powers], float(bins[-1]), float(bins[0]), is_log=True)
    y = make_value_axis("share of the group", largest, " %")
    return Chart(title, f"{title}: share of each group by {label}", x, y, series, height=HEIGHT)


def plot_error_slices(found: ErrorSlices) -> RowChart:
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


def plot_learning_curve(curve: LearningCurve) -> Chart:
    """Draw average precision by number of labels, and its continuation."""
    times, gain = max(curve.gain.items())
    n = int(np.sum(curve.grid <= curve.labels[-1]))
    grid, line = curve.grid.tolist(), curve.line.tolist()
    measured = [value.value for value in curve.precision]
    lows, highs = ([getattr(value, end) for value in curve.precision] for end in ("low", "high"))
    return Chart(
        f"{times:g} times the labels now: average precision {gain.show('+')}",
        "Average precision by number of labels",
        Axis(
            "labelled listings, logarithmic",
            [(float(size), f"{size:,.0f}") for size in (*curve.labels, curve.grid[-1])],
            grid[-1],
            grid[0],
            is_log=True,
        ),
        make_share_axis("average precision"),
        (
            Series("fitted", "line", "s0", line[:n], curve.low[:n].tolist(), curve.high[:n].tolist(), at=grid[:n]),
            Series(
                "forecast, with 95 % interval",
                "line",
                "s0 dash-0",
                line[n - 1 :],
                curve.low[n - 1 :].tolist(),
                curve.high[n - 1 :].tolist(),
                at=grid[n - 1 :],
            ),
            Series("measured on sellers left out", "points", "s2", measured, lows, highs, at=curve.labels.tolist()),
        ),
        height=HEIGHT,
    )


def plot_costs(curve: CostCurve) -> Chart:
    """Draw the expected cost by the share of the listings that is flagged, and mark the best threshold.

    Thresholds that cost more than all counterfeits missed, twice over, are left out.
    """
    unit = f"{curve.currency} " if curve.currency else ""
    top = max(float(curve.cost[1]), min(float(curve.high.max()), 2 * float(curve.cost[0])))
    shown = (curve.flagged > 0) & (curve.cost <= top)
    flagged = curve.flagged[shown].tolist()
    cost, lows, highs = (np.minimum(values[shown], top).tolist() for values in (curve.cost, curve.low, curve.high))
    best = int(np.argmin(cost))
    low = min(flagged[0], 0.999)
    powers = [10.0**power for power in range(-6, 1) if 10.0**power >= low]
    mark = f"flag from {curve.best.value:.3f}: {flagged[best]:.1%} of the listings"
    return Chart(
        f"The best threshold saves {curve.saved} {unit}per 1,000 listings",
        "Expected cost by share flagged",
        Axis(
            "share of the listings that is flagged, logarithmic",
            [(power, f"{100 * power:g} %") for power in powers],
            low=low,
            is_log=True,
        ),
        make_value_axis(f"expected cost, {unit}per 1,000 listings", top),
        (
            Series("with 95 % interval over sellers", "line", "s0", cost, lows, highs, at=flagged),
            Series(mark, "points", "s1", [cost[best]], [lows[best]], [highs[best]], at=[flagged[best]]),
        ),
        guides=[(float(curve.cost[0]), "flagging nothing")],
        height=HEIGHT,
    )


def plot_seller_influence(influence: SellerInfluence) -> RowChart:
    """Draw by how much average precision changes without each seller, those of the largest change."""
    rows = []
    for number, change in enumerate(np.nan_to_num(influence.change[:MOST_ROWS]).tolist()):
        fakes, n = influence.counterfeits[number], influence.listings[number]
        name = f"{shorten(influence.sellers[number], 24)}: {fakes:,} of {n:,} counterfeit"
        rows.append(BarRow(name, change, f"{change:+.4f}", css="s1" if change > 0 else "s0"))
    changes = [0.0, *(row.value for row in rows)]
    low, high = min(changes), max(changes)
    title = f"Five sellers make up {influence.top_share(5):.0%} of the average precision, {influence.average_precision}"
    label = "change of average precision when the seller is left out of the test"
    axis = Axis(label, [(end, f"{end:+.3f}") for end in sorted({low, high})], max(high, low + 1e-9), low)
    return RowChart(title, label, axis, rows, 0.0)


def plot_moves(moves: Moves) -> Chart:
    """Draw the score of each listing by the second model against that by the first, by label where there is one."""
    series = [Series("no change", "line", "s3 dash-0", [0.0, 1.0], at=[0.0, 1.0])]
    for label, css, rows in (
        ("no label", "s2", np.isnan(moves.y)),
        ("genuine", "s0", moves.y == 0),
        ("counterfeit", "s1", moves.y == 1),
    ):
        if rows.any():
            series.append(Series(label, "cloud", css, moves.after[rows].tolist(), at=moves.before[rows].tolist()))
    return Chart(
        f"{moves.moved.value:.1%} of the scores moved by more than 0.1",
        "Score by the second model against score by the first",
        make_share_axis("score by the first model"),
        make_share_axis("score by the second model"),
        series,
        height=2 * HEIGHT,
    )


def plot_search(
    values: Sequence[Mapping[str, float | str]], scores: Sequence[float], logarithmic: Collection[str] = ()
) -> list[Chart]:
    """Draw the trials of a search: one after the other, and by the value of each parameter, the first eight.

    Parameters
    ----------
    values : sequence of mapping of str to object
        The values of each trial by the name of the parameter, in the order of the trials.
    scores : sequence of float
        Average precision of each trial on sellers left out.
    logarithmic : collection of str, optional
        Parameters whose axis is logarithmic.
    """
    numbers = [float(number) for number in range(1, len(scores) + 1)]
    so_far = Series("best so far", "line", "s0", np.maximum.accumulate(scores).tolist(), at=numbers)
    trials = make_value_axis("trial", len(scores), is_count=True)
    charts = [_plot_trials("Trials", trials, numbers, scores, so_far)]
    for name in list(values[0])[:_MOST_PANELS]:
        column = [trial[name] for trial in values]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in column):
            places = [float(value) for value in column]
            axis = _fit_numbers(name, places, name in logarithmic)
        else:
            texts = list(dict.fromkeys(map(str, column)))
            places = [texts.index(str(value)) + 0.5 for value in column]
            axis = Axis(name, [(place + 0.5, text[:20]) for place, text in enumerate(texts)], len(texts))
        charts.append(_plot_trials(name, axis, places, scores))
    return charts


_MOST_PANELS, _FEW_VALUES = 8, 8


def _fit_numbers(title: str, places: Sequence[float], is_log: bool) -> Axis:
    """Return an axis of a parameter, with a tick for each value if they are few."""
    low, top = min(places), max(places)
    margin = 0.0 if is_log and top > low else 0.05 * (top - low) or abs(low) / 2 or 0.5
    ticks = sorted(set(places))
    if len(ticks) > _FEW_VALUES:
        ticks = np.geomspace(low, top, 5).tolist() if is_log else np.linspace(low, top, 5).tolist()
    return Axis(title, [(tick, f"{tick:.3g}") for tick in ticks], top + margin, low - margin, is_log=is_log)


def _plot_trials(title: str, axis: Axis, places: Sequence[float], scores: Sequence[float], *more: Series) -> Chart:
    best = int(np.argmax(scores))
    low, top = min(scores), max(scores)
    margin = 0.1 * (top - low) or 0.05
    ticks = [(value, f"{value:.3f}") for value in np.linspace(low - margin, top + margin, 5).tolist()]
    y = Axis("average precision", ticks, top + margin, low - margin)
    series = (
        *more,
        Series("trial", "points", "s2", list(scores), at=places),
        Series("best", "points", "s1", [scores[best]], at=[places[best]]),
    )
    return Chart(title, f"Average precision of each trial by {axis.title}", axis, y, series)


def shorten(text: str, most: int = MOST_LETTERS) -> str:
    """Return a text of a seller as it can be drawn or printed.

    >>> shorten("brand is \\u202eekiN", 40), shorten("abcdef", 4)
    ('brand is ⟦U+202E⟧ekiN', 'abc…')
    """
    shown = " ".join(show_invisible(text).split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
