"""Charts: draws columns, lines, points, histograms and rows of bars as static SVG for pages, reports and notebooks.

Places along the width are in percent, so a chart fits any window and its letters keep their size. static/charts.css
colours the classes for light and dark screens, forced colours and paper. Own code, because pygal and other libraries
write scripts or inline styles, which the content security policy of the pages forbids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import chain, pairwise
from math import ceil, floor, log, log10
from pathlib import Path
from typing import Literal

from ipml.kit.svg import write_element, write_label, write_title

CHART_STYLE_FILE = Path(__file__).parent / "static" / "charts.css"
CHART_STYLE = CHART_STYLE_FILE.read_text(encoding="utf-8")

Values = Sequence[float | None]
Kind = Literal["columns", "line", "points", "cloud", "steps"]
Tick = tuple[float, str]

_HEAD, _FOOT = 24, 40  # pixels above the plot for the name of its axis, and below it for the names of places
_FILE_WIDTH, _FILE_MARGIN = 720, 56  # pixels
_ROW, _FOOT_OF_ROWS = 44, 18  # pixels
_LONGEST_NAME = 70  # letters
_MOST_TICKS, _NARROW_TICKS = 7, 4  # names below a chart, and those shown on narrow screens


def write_number(value: float) -> str:
    """Return a value as precisely as an axis needs it.

    >>> write_number(7.5), write_number(2500.0), write_number(0.25)
    ('7.5', '2,500', '0.25')
    """
    text = f"{value:,.2f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:,.0f}"
    return text or "0"


def shorten_number(value: float) -> str:
    """Return a value as it fits beside an axis: from 100,000 in thousands or millions.

    >>> shorten_number(20_000), shorten_number(250_000), shorten_number(1_500_000)
    ('20,000', '250 k', '1.5 M')
    """
    size, unit = (1e6, " M") if value >= 1e6 else (1e3, " k") if value >= 1e5 else (1, "")
    return f"{write_number(value / size)}{unit}"


def choose_ticks(largest: float, *, is_count: bool = False) -> list[float]:
    """Return up to six round values for an axis, the last no smaller than the largest value; whole ones for counts.

    >>> choose_ticks(9.0), choose_ticks(0.31), choose_ticks(2, is_count=True)
    ([0.0, 2.5, 5.0, 7.5, 10.0], [0.0, 0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 2.0])
    """
    largest = largest if largest > 0 else 1.0
    size = 10 ** floor(log10(largest / 4))
    steps = (factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size * 4 >= largest)
    step = next(step for step in chain(steps, (1,)) if not is_count or step == int(step))
    return [round(step * place, 10) for place in range(5) if place == 0 or step * (place - 1) < largest]


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `top` under a title; `ticks` are those that are written, with their texts.

    A logarithmic axis begins above 0.
    """

    title: str
    ticks: Sequence[Tick]
    top: float = 1.0
    low: float = 0.0
    is_log: bool = False

    def percent(self, value: float) -> float:
        """Return the place of a value in percent of the axis."""
        if self.is_log:
            return 100 * log(value / self.low) / log(self.top / self.low)
        return 100 * (value - self.low) / (self.top - self.low)


def make_share_axis(title: str) -> Axis:
    """Return an axis from 0 to 1."""
    return Axis(title, [(share, f"{share:g}") for share in (0.0, 0.25, 0.5, 0.75, 1.0)])


def make_value_axis(title: str, largest: float, unit: str = "", *, is_count: bool = False) -> Axis:
    """Return an axis from 0 to a round value that is no smaller than the largest."""
    ticks = choose_ticks(largest, is_count=is_count)
    return Axis(title, [(value, f"{shorten_number(value)}{unit}") for value in ticks], ticks[-1])


def make_name_axis(title: str, names: Sequence[str], most: int = _MOST_TICKS) -> Axis:
    """Return an axis of named places, at most so many of them written; the middle of place 0 is 0.5."""
    every = max(1, ceil(len(names) / most))
    return Axis(title, [(place + 0.5, names[place]) for place in range(0, len(names), every)], max(1, len(names)))


@dataclass(frozen=True, slots=True)
class Series:
    """Values of one kind; None is no value.

    `css` names the colour. `at` are places on the axis below (by default the middle of each named place); for steps
    they are the edges, one more than the values. `lows` and `highs` are intervals, `ns` sample sizes, and `texts`
    replace what is written of each value.
    """

    name: str
    kind: Kind
    css: str
    values: Values
    lows: Values = ()
    highs: Values = ()
    ns: Sequence[int] = ()
    at: Sequence[float] = ()
    texts: Sequence[str] = ()

    def bounds(self, place: int) -> tuple[float, float] | None:
        """Return the interval of a value, if it has one."""
        low, high = (ends[place] if len(ends) else None for ends in (self.lows, self.highs))
        return None if low is None or high is None else (low, high)

    def x(self, place: int) -> float:
        """Return the place of a value on the axis below."""
        return self.at[place] if len(self.at) else place + 0.5

    def describe(self, place: int, unit: str) -> str:
        """Return a value with its interval and sample size."""
        value = self.values[place]
        if len(self.texts):
            return self.texts[place]
        if value is None:
            return "–"
        text = f"{write_number(value)}{unit}"
        if (bounds := self.bounds(place)) is not None:
            text += f" ({write_number(bounds[0])} to {write_number(bounds[1])}{unit})"
        return f"{text} of {self.ns[place]:,}" if len(self.ns) else text


@dataclass(frozen=True, slots=True)
class Chart:
    """Series over one axis, with a title and a sentence for readers who cannot see them.

    `names` are the named places below, `links` the addresses that they open. `expected` is the expected range of the
    values, and `guides` are horizontal lines with labels. Columns stand side by side unless `is_stacked`.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    names: Sequence[str] = ()
    unit: str = ""
    key: str = ""
    expected: tuple[float, float] | None = None
    guides: Sequence[Tick] = ()
    height: int = 160
    is_stacked: bool = False
    links: Sequence[str] = ()

    def __html__(self) -> str:
        """Return the drawing, so that templates insert it unchanged."""
        return draw_chart(self)

    def _repr_svg_(self) -> str:
        return write_chart_file(self)

    @property
    def full_height(self) -> int:
        """Pixels of the drawing, with the texts around the plot."""
        return _HEAD + self.height + _FOOT

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Class and name of each series, if there are several."""
        return [(series.css, series.name) for series in self.series] if len(self.series) > 1 else []

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """The figures: name of each place, and text of each series."""
        return [
            (name, [series.describe(place, self.unit) for series in self.series])
            for place, name in enumerate(self.names)
        ]


def draw_chart(chart: Chart) -> str:
    """Return a chart as SVG; one line of text if it has no value."""
    if not any(value is not None for series in chart.series for value in series.values):
        return _draw_nothing(chart.description)
    drawn = (_draw_marks(chart, series) for series in chart.series)
    marks = chain(_draw_ground(chart), _draw_columns(chart), *drawn, _draw_strips(chart))
    body = write_element("svg", *marks, y=_HEAD, height=chart.height, width="100%", class_="inside")
    return write_element(
        "svg",
        write_label(-40, 12, chart.y.title),
        body,
        *_label_axes(chart),
        class_="plot",
        role="group" if chart.links else "img",  # an image hides the links in it from screen readers
        aria_label=chart.description,
        height=chart.full_height,
    )


def _draw_nothing(description: str) -> str:
    text = write_label(0, 14, "No data.")
    return write_element("svg", text, class_="plot rows", role="img", aria_label=f"{description}: no data", height=20)


def _draw_ground(chart: Chart) -> Iterator[str]:
    if chart.expected is not None:
        low, high = (chart.y.percent(value) for value in chart.expected)
        yield write_element(
            "rect", class_="expected", y=_percent(100 - high), height=_percent(high - low), width="100%"
        )
    for kind, values in (("grid", chart.y.ticks), ("guide", chart.guides)):
        for value, _ in values:
            y = _percent(100 - chart.y.percent(value))
            yield write_element("line", class_=kind, x1="0%", x2="100%", y1=y, y2=y)


def _label_axes(chart: Chart) -> Iterator[str]:
    for value, text in chart.y.ticks:
        yield write_label(-8, _pixel(chart, value) + 4, text, text_anchor="end")
    for value, text in chart.guides:
        yield write_label("100%", _pixel(chart, value) - 4, text, text_anchor="end", class_="guide-name")
    foot, narrow = _HEAD + chart.height + 16, ceil(len(chart.x.ticks) / _NARROW_TICKS)
    for number, (value, text) in enumerate(chart.x.ticks):
        place = chart.x.percent(value)
        anchor = "end" if place > 97 else "middle"
        css = {"class_": "more"} if number % narrow and chart.names else {}
        yield write_label(_percent(place), foot, text, text_anchor=anchor, **css)
    yield write_label("100%", foot + 17, chart.x.title, text_anchor="end")


def _pixel(chart: Chart, value: float) -> float:
    return _HEAD + chart.height * (1 - chart.y.percent(value) / 100)


def _draw_columns(chart: Chart) -> Iterator[str]:
    columns = [series for series in chart.series if series.kind == "columns"]
    width = 0.8 / (1 if chart.is_stacked else max(1, len(columns)))
    for place in range(max((len(series.values) for series in columns), default=0)):
        base = 0.0
        for number, series in enumerate(columns):
            value = series.values[place]
            if value is None:
                continue
            x = place + 0.1 + (0 if chart.is_stacked else width * number)
            yield _draw_column(chart, series, place, (x, 0.92 * width, base))
            if (bounds := series.bounds(place)) is not None:
                yield _draw_whisker(chart, x + 0.46 * width, bounds)
            base += value if chart.is_stacked else 0.0


def _draw_column(chart: Chart, series: Series, place: int, box: tuple[float, float, float]) -> str:
    x, width, base = box
    value = series.values[place] or 0.0
    low, high = chart.y.percent(base), chart.y.percent(base + value)
    return write_element(
        "rect",
        class_=f"column {series.css}",
        x=_percent(chart.x.percent(x)),
        width=_percent(chart.x.percent(width)),
        y=_percent(100 - high),
        height=_percent(high - low),
    )


def _draw_marks(chart: Chart, series: Series) -> Iterator[str]:
    if series.kind == "points":
        yield from _draw_points(chart, series)
    elif series.kind == "steps":
        yield _draw_paths(_outline_steps(chart, series))
    elif series.kind == "cloud":
        yield _draw_paths([(f"cloud {series.css}", _place_dots(chart, series))])
    elif series.kind == "line":
        yield _draw_paths(_trace_line(chart, series))


def _draw_points(chart: Chart, series: Series) -> Iterator[str]:
    for place, value in enumerate(series.values):
        if value is None:
            continue
        bounds = series.bounds(place)
        if bounds is not None:
            yield _draw_whisker(chart, series.x(place), bounds)
        expected = chart.expected
        is_off = expected is not None and bounds is not None and (bounds[0] > expected[1] or bounds[1] < expected[0])
        yield write_element(
            "circle",
            class_=f"point {series.css}{' off' if is_off else ''}",
            cx=_percent(chart.x.percent(series.x(place))),
            cy=_percent(100 - chart.y.percent(value)),
            r=5 if is_off else 3.5,
        )


def _draw_whisker(chart: Chart, x: float, bounds: tuple[float, float]) -> str:
    x1, (low, high) = _percent(chart.x.percent(x)), (_percent(100 - chart.y.percent(bound)) for bound in bounds)
    return write_element("line", class_="whisker", x1=x1, x2=x1, y1=high, y2=low)


def _trace_line(chart: Chart, series: Series) -> Iterator[tuple[str, str]]:
    places = [place for place, value in enumerate(series.values) if value is not None]
    if len(series.lows):
        ends = [(series.x(place), series.bounds(place) or (0.0, 0.0)) for place in places]
        band = [*((x, high) for x, (_, high) in ends), *((x, low) for x, (low, _) in reversed(ends))]
        yield f"band {series.css}", _write_path(chart, band) + "Z"
    yield f"line {series.css}", _write_path(chart, [(series.x(place), series.values[place] or 0.0) for place in places])


def _outline_steps(chart: Chart, series: Series) -> Iterator[tuple[str, str]]:
    heights = [value or 0.0 for value in series.values]
    tops = [(x, height) for height, edges in zip(heights, pairwise(series.at), strict=True) for x in edges]
    yield f"steps {series.css}", _write_path(chart, [(series.at[0], 0.0), *tops, (series.at[-1], 0.0)])


def _place_dots(chart: Chart, series: Series) -> str:
    points = ((series.x(place), value) for place, value in enumerate(series.values) if value is not None)
    return "".join(f"M{chart.x.percent(x):.1f} {100 - chart.y.percent(y):.1f}h0" for x, y in points)


def _write_path(chart: Chart, points: Iterable[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{chart.x.percent(x):.2f} {100 - chart.y.percent(y):.2f}" for x, y in points)


def _draw_paths(paths: Iterable[tuple[str, str]]) -> str:
    drawn = (write_element("path", class_=css, d=path) for css, path in paths)
    square = {"viewBox": "0 0 100 100", "preserveAspectRatio": "none", "width": "100%", "height": "100%"}
    return write_element("svg", *drawn, **square, class_="inside")


def _draw_strips(chart: Chart) -> Iterator[str]:
    """Lay an invisible strip over each named place; it shows the values there, and opens the place's address."""
    width = chart.x.percent(1)
    for place, (name, texts) in enumerate(chart.rows):
        said = ", ".join(f"{series.name} {text}" for series, text in zip(chart.series, texts, strict=True))
        box = {"x": _percent(place * width), "width": _percent(width), "height": "100%"}
        strip = write_element("rect", write_title(f"{name}: {said}"), class_="strip", **box)
        # The figures beside the chart have the same links for the keyboard.
        link = {"href": chart.links[place], "aria_label": name, "tabindex": -1} if place < len(chart.links) else None
        yield write_element("a", strip, **link) if link and link["href"] else strip


def _percent(percent: float) -> str:
    return f"{percent:.2f}%"


@dataclass(frozen=True, slots=True)
class BarRow:
    """A named value with its text; with bounds a dot in its interval, else a bar. `mark` is a value to compare with."""

    name: str
    value: float
    text: str
    low: float | None = None
    high: float | None = None
    mark: float | None = None
    css: str = "s0"
    tooltip: str = ""


@dataclass(frozen=True, slots=True)
class RowChart:
    """Rows below each other, each a name and a text with a bar under them; `rule` is a line across all."""

    title: str
    description: str
    axis: Axis
    rows: Sequence[BarRow]
    rule: float | None = None
    legend: Sequence[tuple[str, str]] = ()

    def __html__(self) -> str:
        """Return the drawing, so that templates insert it unchanged."""
        return draw_rows(self)

    def _repr_svg_(self) -> str:
        return write_chart_file(self)

    @property
    def full_height(self) -> int:
        """Pixels of the drawing, with its axis."""
        return _ROW * len(self.rows) + _FOOT_OF_ROWS * bool(self.axis.ticks) + 16 * bool(self.axis.title)


def draw_rows(chart: RowChart) -> str:
    """Return a chart of rows as SVG; one line of text if it has no row."""
    if not chart.rows:
        return _draw_nothing(chart.description)
    axis, foot = chart.axis, _ROW * len(chart.rows)
    parts = [part for place, row in enumerate(chart.rows) for part in _draw_row(row, axis, _ROW * place)]
    if chart.rule is not None:
        x = _percent(axis.percent(chart.rule))
        parts.append(write_element("line", class_="guide", x1=x, x2=x, y1=0, y2=foot))
    for value, text in axis.ticks:
        place = axis.percent(value)
        anchor = "start" if place < 3 else "end" if place > 97 else "middle"
        parts.append(write_label(_percent(place), foot + 12, text, text_anchor=anchor))
    if axis.title:
        parts.append(write_label("100%", foot + 29, axis.title, text_anchor="end"))
    label, height = chart.description, chart.full_height
    return write_element("svg", *parts, class_="plot rows", role="img", aria_label=label, height=height)


def _draw_row(row: BarRow, axis: Axis, top: float) -> Iterator[str]:
    name = row.name if len(row.name) <= _LONGEST_NAME else f"{row.name[: _LONGEST_NAME - 1]}…"
    yield write_label(0, top + 15, name, class_="name")
    yield write_label("100%", top + 15, row.text, class_="name", text_anchor="end")
    y, title = top + 28, write_title(row.tooltip or f"{row.name}: {row.text}")
    value = axis.percent(row.value)
    if row.low is None or row.high is None:
        yield write_element("rect", class_="track", y=y - 6, width="100%", height=12)
        start = axis.percent(max(axis.low, 0.0))
        box = {"x": _percent(min(start, value)), "width": _percent(abs(value - start))}
        yield write_element("rect", title, class_=f"column {row.css}", y=y - 6, height=12, **box)
    else:
        yield write_element("rect", class_="track", y=y - 1, width="100%", height=2)
        x1, x2 = (_percent(axis.percent(bound)) for bound in (row.low, row.high))
        yield write_element("line", class_=f"span {row.css}", x1=x1, x2=x2, y1=y, y2=y)
        yield write_element("circle", title, class_=f"point {row.css}", cx=_percent(value), cy=y, r=5)
    if row.mark is not None:
        x = _percent(axis.percent(row.mark))
        yield write_element("line", class_="mark", x1=x, x2=x, y1=y - 8, y2=y + 8)


def write_chart_file(*charts: Chart | RowChart) -> str:
    """Return charts below each other, with titles and legends, as the text of an SVG file."""
    parts, top = [], 8
    for chart in charts:
        parts.append(write_label(12, top + 16, chart.title, class_="title"))
        top += 28
        if chart.legend:
            parts += _draw_legend(chart.legend, top + 8)
            top += 20
        drawing = chart.__html__()
        left = 12 if 'class="plot rows"' in drawing else _FILE_MARGIN
        parts.append(drawing.replace("<svg", f'<svg x="{left}" y="{top}" width="{_FILE_WIDTH - left - 24}"', 1))
        top += chart.full_height + 12
    style = f"<style>{escape(CHART_STYLE, quote=False)}</style>"
    size: dict[str, object] = {"viewBox": f"0 0 {_FILE_WIDTH} {top}", "width": _FILE_WIDTH, "height": top}
    ground = write_element("rect", class_="ground", width="100%", height="100%")
    return write_element("svg", style, ground, *parts, xmlns="http://www.w3.org/2000/svg", class_="file", **size)


def _draw_legend(legend: Iterable[tuple[str, str]], y: float) -> Iterator[str]:
    x = 12
    for css, name in legend:
        yield write_element("g", write_element("path", class_=f"line {css}", d=f"M{x} {y}h20"), class_="plot")
        yield write_label(x + 26, y + 4, name)
        x += 46 + 7 * len(name)
