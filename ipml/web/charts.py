"""Small charts, placed in percent by the server: pages draw them as SVG without a script or a style of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from ipml.review.exploration.estimates import Estimates, Figure
from ipml.review.hits import Hits
from ipml.review.quality.look_summary import LookSummary
from ipml.review.quality.rates import Rate
from ipml.review.throughput import Day
from ipml.web.wording import count, percent, percent_range

_MOST_DAYS_NAMED, _MONTHS_NAMED = 31, 7  # each day by its number, or so many with their month: more would overlap


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
    every = 1 if len(days) <= _MOST_DAYS_NAMED else -(-len(days) // _MONTHS_NAMED)
    name = "{0.day}" if every == 1 else "{0.day} {0:%b}"
    labels = [(step * (place + 0.5), name.format(days[place].day)) for place in range(0, len(days), every)]
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
    size: int = 10 ** int(log10(number))
    return next(factor * size for factor in (1, 2, 3, 4, 5, 6, 8, 10, 20) if factor * size >= number)


@dataclass(frozen=True, slots=True)
class ShareBar:
    """A share with its interval, drawn and told; share, low and high in percent of the chart's width.

    Attributes
    ----------
    n : int
        How many reviews it is from.
    naive : str
        What one would think from the reviewed alone, where that is something else.
    """

    name: str
    share: float
    low: float
    high: float
    n: int
    says: str
    bounds: str
    naive: str = ""


def make_hit_bars(bands: Sequence[Hits]) -> tuple[ShareBar, ...]:
    """Place a bar with its interval for each band of scores.

    Examples
    --------
    >>> (bar,) = make_hit_bars([Hits(0.9, 0.95, judged=10, counterfeit=9)])
    >>> bar.name, bar.share, bar.says, bar.bounds
    ('90 to 95 %', 90.0, '90 %', '59 to 98 %')
    """
    return tuple(_hit_bar(band) for band in bands)


def _hit_bar(band: Hits) -> ShareBar:
    low, high = band.interval
    name = "no score" if band.low is None or band.high is None else percent_range(band.low, band.high)
    return ShareBar(
        name=name,
        share=100 * band.share,
        low=100 * low,
        high=100 * high,
        n=band.judged,
        says=percent(band.share),
        bounds=percent_range(low, high),
    )


def make_estimate_bars(estimates: Estimates) -> tuple[ShareBar, ...]:
    """Place a bar with its interval for each figure of which enough was reviewed.

    Examples
    --------
    >>> prevalence = Figure("prevalence", 0.081, 0.064, 0.1, 0.84, 2920)
    >>> (bar,) = make_estimate_bars(Estimates((prevalence,), 1, 58_410, 0, 0, 150, 150))
    >>> bar.name, bar.says, bar.bounds, bar.naive
    ('Prevalence', '8.1 %', '6.4 to 10.0 %', '84.0 %')
    """
    bars = [_estimate_bar(figure) for figure in estimates.figures]
    return tuple(bar for bar in bars if bar is not None)


def _estimate_bar(figure: Figure) -> ShareBar | None:
    if figure.value is None or figure.low is None or figure.high is None:
        return None
    return ShareBar(
        name=figure.name.capitalize(),
        share=100 * figure.value,
        low=100 * figure.low,
        high=100 * figure.high,
        n=figure.reviews,
        says=f"{100 * figure.value:.1f} %",
        bounds=f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %",
        naive="" if figure.naive is None else f"{100 * figure.naive:.1f} %",
    )


def make_look_bars(looks: LookSummary) -> tuple[ShareBar, ...]:
    """Place a bar with its interval for each kind of further look that somebody has taken.

    Examples
    --------
    >>> (bar,) = make_look_bars(LookSummary({}, Rate(0.9, 0.7, 0.98, 20), None, None))
    >>> bar.name, bar.says, bar.bounds
    ('Golden items judged rightly', '90 %', '70 to 98 %')
    """
    named = (
        ("Golden items judged rightly", looks.golden),
        ("Own verdict given again", looks.repeats),
        ("Another's verdict given again", looks.audits),
    )
    return tuple(_rate_bar(name, rate) for name, rate in named if rate is not None)


def _rate_bar(name: str, rate: Rate) -> ShareBar:
    return ShareBar(
        name=name,
        share=100 * rate.share,
        low=100 * rate.low,
        high=100 * rate.high,
        n=round(rate.n),
        says=percent(rate.share),
        bounds=percent_range(rate.low, rate.high),
    )
