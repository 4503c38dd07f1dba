"""Small charts, placed in percent by the server: pages draw them as SVG without a script or a style of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from ipml.review.hits import Hits
from ipml.review.throughput import Day
from ipml.web.wording import count, percent, percent_range


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar standing on the axis; x and width in percent of the chart's width, height of its height."""

    kind: str
    x: float
    width: float
    height: float
    says: str


@dataclass(frozen=True, slots=True)
class DayChart:
    """Arrivals and verdicts by day.

    Attributes
    ----------
    top : int
        The number that a bar of full height stands for.
    bars : tuple of Bar
    labels : tuple of (float, str)
        Where the names of days stand, and the names.
    sentence : str
        The same in words.
    """

    top: int
    bars: tuple[Bar, ...]
    labels: tuple[tuple[float, str], ...]
    sentence: str


def make_day_chart(days: Sequence[Day]) -> DayChart:
    """Place a pair of bars for each day.

    Examples
    --------
    >>> from datetime import date
    >>> chart = make_day_chart([Day(date(2024, 5, 6), 40, 10), Day(date(2024, 5, 7), 20, 30)])
    >>> chart.top, [bar.height for bar in chart.bars]
    (40, [100.0, 25.0, 50.0, 75.0])
    >>> chart.sentence
    'In 2 days 60 cases came and 40 were decided.'
    """
    top = round_up(max((max(day.arrived, day.decided) for day in days), default=0))
    step = 100 / max(1, len(days))
    bars = [
        Bar(kind, step * (place + shift), 0.36 * step, 100 * number / top, f"{day.day:%d %B}: {number:,} {kind}")
        for place, day in enumerate(days)
        for kind, number, shift in (("arrived", day.arrived, 0.12), ("decided", day.decided, 0.52))
    ]
    labels = [(step * (place + 0.5), f"{day.day.day}") for place, day in enumerate(days)]
    arrived, decided = sum(day.arrived for day in days), sum(day.decided for day in days)
    sentence = f"In {count(len(days), 'day')} {count(arrived, 'case')} came and {decided:,} were decided."
    return DayChart(top, tuple(bars), tuple(labels), sentence)


def round_up(number: int) -> int:
    """Return the next number that reads well at an axis; 10 for nothing.

    Examples
    --------
    >>> round_up(0), round_up(7), round_up(18), round_up(4300)
    (10, 10, 20, 5000)
    """
    if number <= 10:
        return 10
    size = 10 ** int(log10(number))
    return next(factor * size for factor in (1, 2, 3, 4, 5, 6, 8, 10, 20) if factor * size >= number)


@dataclass(frozen=True, slots=True)
class HitBar:
    """How much of a band of scores was counterfeit; share, low and high in percent of the chart's width."""

    name: str
    share: float
    low: float
    high: float
    judged: int
    says: str
    bounds: str


def make_hit_bars(bands: Sequence[Hits]) -> tuple[HitBar, ...]:
    """Place a bar with its interval for each band of scores.

    Examples
    --------
    >>> (bar,) = make_hit_bars([Hits(0.9, 0.95, judged=10, counterfeit=9)])
    >>> bar.name, bar.share, bar.says, bar.bounds
    ('90 to 95 %', 90.0, '90 %', '59 to 98 %')
    """
    return tuple(_hit_bar(band) for band in bands)


def _hit_bar(band: Hits) -> HitBar:
    low, high = band.interval
    name = "no score" if band.low is None or band.high is None else percent_range(band.low, band.high)
    return HitBar(
        name=name,
        share=100 * band.share,
        low=100 * low,
        high=100 * high,
        judged=band.judged,
        says=percent(band.share),
        bounds=percent_range(low, high),
    )
