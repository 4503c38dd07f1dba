"""Plots over time as SVG drawn by the server: bars, lines and points with intervals, and the same as a table.

Places along the width are in percent, so a plot fits any window and its letters keep their size; colours are those of
plots.css.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from html import escape
from math import floor, log10

from markupsafe import Markup

from ipml.kit.svg import write_element, write_label, write_title

_MOST_DAYS, _MOST_WEEKS = 31, 26
_MOST_LABELS = 7
_TOP, _AXIS = 24, 40  # pixels above the plot for the name of its axis, and below it for the names of periods


@dataclass(frozen=True, slots=True)
class Period:
    """A day, a week, or a month (perhaps cut short) that a chart shows as one."""

    first: date
    last: date
    name: str


@dataclass(frozen=True, slots=True)
class Periods:
    """The days of a range, cut into periods; `unit` names the axis."""

    unit: str
    each: tuple[Period, ...]

    def place_of(self, day: date) -> int:
        """Return the period of a day, from 0."""
        return next(place for place, one in enumerate(self.each) if day <= one.last)


def cut_periods(first: date, last: date) -> Periods:
    """Cut a range into readable periods: days up to a month, weeks up to half a year, else calendar months.

    >>> [one.name for one in cut_periods(date(2025, 7, 10), date(2026, 2, 3)).each][:3]
    ['Jul 25', 'Aug 25', 'Sep 25']
    >>> cut_periods(date(2025, 7, 10), date(2025, 7, 11)).each[0].name
    '10 Jul'
    """
    n_days = (last - first).days + 1
    if n_days <= 7 * _MOST_WEEKS:
        step = 1 if n_days <= _MOST_DAYS else 7
        days = [first + timedelta(days=place) for place in range(0, n_days, step)]
        each = [Period(day, min(last, day + timedelta(days=step - 1)), f"{day.day} {day:%b}") for day in days]
        return Periods("day (UTC)" if step == 1 else "week from (UTC)", tuple(each))
    months, start = [], first
    while start <= last:
        following = date(start.year + start.month // 12, start.month % 12 + 1, 1)
        months.append(Period(start, min(last, following - timedelta(days=1)), f"{start:%b %y}"))
        start = following
    return Periods("month (UTC)", tuple(months))


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one kind, one for each period; None is no value.

    `kind` is "bars", "line", "dashed" or "points", `css` names the colour, and `ns` has the sample size of each value.
    """

    name: str
    kind: str
    css: str
    values: Sequence[float | None]
    lows: Sequence[float | None] = ()
    highs: Sequence[float | None] = ()
    ns: Sequence[int] = ()

    def bounds(self, place: int) -> tuple[float, float] | None:
        """Return the interval of a value, if it has one."""
        if not self.lows or self.lows[place] is None or self.highs[place] is None:
            return None
        return self.lows[place] or 0.0, self.highs[place] or 0.0


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart with its title, axes and series.

    `says` describes it in a sentence for readers who cannot see it. `expected` are bounds of the values, `guides`
    horizontal lines with labels, and `largest` is the end of the axis (by default the largest value).
    """

    key: str
    title: str
    says: str
    x_title: str
    y_title: str
    names: Sequence[str]
    series: Sequence[Series]
    unit: str = ""
    expected: tuple[float, float] | None = None
    guides: Sequence[tuple[float, str]] = field(default_factory=tuple)
    largest: float | None = None
    height: int = 160
    first_name: str = "Period"

    @property
    def svg(self) -> Markup:
        """The drawing, with all texts escaped."""
        return Markup(_draw(self))  # noqa: S704

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The figures: name of each period, and text of each series."""
        return [(name, [_say(one, place, self.unit) for one in self.series]) for place, name in enumerate(self.names)]


def write_figure(value: float) -> str:
    """Write a value as precisely as an axis needs it.

    >>> write_figure(7.5), write_figure(2500.0), write_figure(0.25)
    ('7.5', '2,500', '0.25')
    """
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.0f}"
    return text or "0"


def choose_ticks(largest: float) -> list[float]:
    """Return up to six round values for an axis, the last no smaller than the largest value.

    >>> choose_ticks(9.0), choose_ticks(0.31), choose_ticks(100)
    ([0.0, 2.5, 5.0, 7.5, 10.0], [0.0, 0.1, 0.2, 0.3, 0.4], [0.0, 25.0, 50.0, 75.0, 100.0])
    """
    largest = largest if largest > 0 else 1.0
    size = 10 ** floor(log10(largest / 4))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size * 4 >= largest)
    return [round(step * place, 10) for place in range(5) if place == 0 or step * (place - 1) < largest]


def _say(series: Series, place: int, unit: str) -> str:
    value = series.values[place]
    if value is None:
        return "–"
    said = f"{write_figure(value)}{unit}"
    if (bounds := series.bounds(place)) is not None:
        said += f" ({write_figure(bounds[0])} to {write_figure(bounds[1])}{unit})"
    return f"{said} of {series.ns[place]:,}" if series.ns else said


def _draw(plot: Plot) -> str:
    ends = [value for one in plot.series for value in (*one.values, *one.highs) if value is not None]
    largest = plot.largest if plot.largest is not None else max([*ends, *(at for at, _ in plot.guides)], default=0.0)
    ticks = choose_ticks(largest)
    top = ticks[-1]
    inside = [*_draw_expected(plot, top), *_draw_grid(ticks, plot.guides, top), *_draw_series(plot, top)]
    body = write_element("svg", *inside, y=_TOP, height=plot.height, width="100%", class_="inside")
    parts = [write_label(-40, 12, plot.y_title, class_="axis-title"), body, *_label_axes(plot, ticks)]
    return write_element(
        "svg", "".join(parts), class_="plot", role="img", aria_label=plot.says, height=_TOP + plot.height + _AXIS
    )


def _draw_expected(plot: Plot, top: float) -> list[str]:
    if plot.expected is None:
        return []
    low, high = plot.expected
    y, height = _percent(top - high, top), _percent(high - low, top)
    return [write_element("rect", class_="expected", y=y, height=height, width="100%")]


def _draw_grid(ticks: Iterable[float], guides: Sequence[tuple[float, str]], top: float) -> list[str]:
    lines = [("grid", at) for at in ticks] + [("guide", at) for at, _ in guides]
    return [
        write_element("line", class_=css, x1="0%", x2="100%", y1=_percent(top - at, top), y2=_percent(top - at, top))
        for css, at in lines
    ]


def _label_axes(plot: Plot, ticks: Iterable[float]) -> list[str]:
    top = max(ticks)
    parts = []
    for at in ticks:
        y = _TOP + plot.height * (1 - at / top) + 4
        parts.append(write_label(-8, y, f"{write_figure(at)}{plot.unit}", text_anchor="end"))
    for at, words in plot.guides:
        y = _TOP + plot.height * (1 - at / top) - 4
        parts.append(write_element("text", escape(words), x="100%", y=y, text_anchor="end", class_="guide-name"))
    n, below = len(plot.names), _TOP + plot.height + 16
    every = -(-n // _MOST_LABELS)
    for number, place in enumerate(range(0, n, every)):
        css = "name more" if number % 2 else "name"
        parts.append(write_element("text", escape(plot.names[place]), x=_percent(place + 0.5, n), y=below, class_=css))
    parts.append(
        write_element("text", escape(plot.x_title), x="100%", y=below + 17, text_anchor="end", class_="axis-title")
    )
    return parts


def _draw_series(plot: Plot, top: float) -> list[str]:
    n, parts = len(plot.names), []
    barred = [one for one in plot.series if one.kind == "bars"]
    for one in plot.series:
        if one.kind == "bars":
            parts += _draw_bars(plot, one, barred.index(one), len(barred), top)
        elif one.kind == "points":
            parts += _draw_points(plot, one, top)
        else:
            parts += _draw_line(one, n, top)
    return parts


def _draw_bars(plot: Plot, series: Series, place_in_group: int, n_in_group: int, top: float) -> list[str]:
    n, parts = len(plot.names), []
    width = 0.8 / n_in_group
    for place, value in enumerate(series.values):
        if value is None:
            continue
        x = place + 0.1 + width * place_in_group
        at = {"x": _percent(x, n), "width": _percent(0.92 * width, n)}
        at |= {"y": _percent(top - value, top), "height": _percent(value, top)}
        parts.append(write_element("rect", _title(plot, series, place), class_=f"column {series.css}", **at))
        if (bounds := series.bounds(place)) is not None:
            parts.append(_draw_whisker(x + 0.46 * width, n, bounds, top))
    return parts


def _draw_points(plot: Plot, series: Series, top: float) -> list[str]:
    n, parts = len(plot.names), []
    for place, value in enumerate(series.values):
        if value is None:
            continue
        bounds = series.bounds(place)
        if bounds is not None:
            parts.append(_draw_whisker(place + 0.5, n, bounds, top))
        is_off = plot.expected is not None and bounds is not None
        is_off = is_off and not (bounds[0] <= plot.expected[1] and bounds[1] >= plot.expected[0])  # type: ignore[index]
        at = {"cx": _percent(place + 0.5, n), "cy": _percent(top - value, top), "r": 5 if is_off else 3.5}
        css = f"point {series.css}{' off' if is_off else ''}"
        parts.append(write_element("circle", _title(plot, series, place), class_=css, **at))
    return parts


def _draw_whisker(x: float, n: int, bounds: tuple[float, float], top: float) -> str:
    at = {"x1": _percent(x, n), "x2": _percent(x, n)}
    at |= {"y1": _percent(top - bounds[1], top), "y2": _percent(top - bounds[0], top)}
    return write_element("line", class_="whisker", **at)


def _draw_line(series: Series, n: int, top: float) -> list[str]:
    points = [
        f"{100 * (place + 0.5) / n:.2f},{100 * (top - value) / top:.2f}"
        for place, value in enumerate(series.values)
        if value is not None
    ]
    line = write_element("polyline", points=" ".join(points), class_=f"{series.kind} {series.css}")
    square = {"viewBox": "0 0 100 100", "preserveAspectRatio": "none", "width": "100%", "height": "100%"}
    return [write_element("svg", line, **square)] if points else []


def _title(plot: Plot, series: Series, place: int) -> str:
    return write_title(f"{plot.names[place]}, {series.name}: {_say(series, place, plot.unit)}")


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.2f}%"
