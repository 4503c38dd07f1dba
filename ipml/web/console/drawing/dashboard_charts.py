"""Dashboard charts: daily figures over the days of the address, from the database's daily counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection

from ipml.enforcement.appeals.appeal import FAVOURABLE, count_outcomes
from ipml.enforcement.fairness import BandErrors, list_error_rates
from ipml.enforcement.policy import EnforcementPolicy
from ipml.kit.charts import Chart, Series, make_name_axis, make_value_axis
from ipml.review.quality.precision import WeightedReviews
from ipml.review.quality.rates import Rate, count_rate
from ipml.review.queue_history import (
    BacklogDay,
    BacklogForecast,
    JudgedDay,
    ReviewerPair,
    compare_reviewers,
    count_judged,
    count_scores,
    forecast_backlog,
    measure_shift,
    trace_backlog,
)
from ipml.review.queue_metrics import LOWEST_SCORES, ReviewTime, time_reviews
from ipml.web.phrases import count, percent_range

_LEAST_OF_A_DAY = 10  # reviews; weeks are shown where a day has fewer
_LEAST_JUDGED = 30  # reviews needed for an alarm
_LEAST_REFERENCE = 100  # cases needed in the period of comparison
_SHIFT, _LARGE_SHIFT = 0.1, 0.25  # of the population stability index, by the usual rule of thumb
_LONGEST_FORECAST = 3_650  # days
_MOST_DAYS, _MOST_WEEKS = 31, 26
_SHARES = 100.0  # percent, the end of an axis of shares


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

    @property
    def names(self) -> list[str]:
        """The name of each period."""
        return [period.name for period in self.each]

    def place_of(self, day: date) -> int:
        """Return the period of a day, from 0."""
        return next(place for place, period in enumerate(self.each) if day <= period.last)


def cut_periods(first: date, last: date, *, by_week: bool = False) -> Periods:
    """Cut a range into readable periods: days up to a month, weeks up to half a year, else calendar months.

    `by_week` makes weeks of the days.

    >>> [period.name for period in cut_periods(date(2025, 7, 10), date(2026, 2, 3)).each][:3]
    ['Jul 25', 'Aug 25', 'Sep 25']
    >>> cut_periods(date(2025, 7, 10), date(2025, 7, 11)).each[0].name
    '10 Jul'
    """
    n_days = (last - first).days + 1
    if n_days <= 7 * _MOST_WEEKS:
        step = 1 if n_days <= _MOST_DAYS and not by_week else 7
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
class HeatCell:
    """Share of counterfeits among the cases of a score band in a period.

    `side` is "below" or "above" if the whole interval lies outside the band; `basis` is interval and sample size.
    """

    share: float
    side: str
    basis: str

    @property
    def level(self) -> int:
        """The share in fifths, from 0 to 4."""
        return min(4, int(5 * self.share))


@dataclass(frozen=True, slots=True)
class HeatStrip:
    """Precision of each score band, the highest first, in each period; None where nothing was judged."""

    periods: Periods
    rows: Sequence[tuple[str, Sequence[HeatCell | None]]]


@dataclass(frozen=True, slots=True)
class Flow:
    """Cases that arrived and were decided in a number of days."""

    arrived: int
    decided: int


@dataclass(frozen=True, slots=True)
class History:
    """The charts of some days.

    `now` and `before` count the cases of these days and of as many days before. `alarms` are sentences to look into.
    `pairs` has each pair of reviewers in both orders. `bands`, `shift`, `appeals` and `wrongful` are None without data.
    """

    now: Flow
    before: Flow
    flow: Chart
    backlog: Chart
    forecast: str
    bands: HeatStrip | None
    shift: Chart | None
    appeals: Chart | None
    wrongful: Chart | None
    n_judged_again: int
    times: tuple[ReviewTime, ...]
    reviewers: tuple[str, ...]
    pairs: dict[tuple[str, str], ReviewerPair]
    alarms: tuple[str, ...]


def read_history(connection: Connection, first: date, last: date, policy: EnforcementPolicy) -> History:
    """Return the charts from one day to another, both in UTC and included."""
    periods = cut_periods(first, last)
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    traced = trace_backlog(connection, start - (end - start), end)
    earlier, days = traced[: len(traced) // 2], traced[len(traced) // 2 :]
    forecast = forecast_backlog(days)
    judged = count_judged(connection, start, end)
    errors = list_error_rates(connection, policy, start, end)
    pairs = compare_reviewers(connection, start, end)
    return History(
        now=_sum_flow(days),
        before=_sum_flow(earlier),
        flow=_draw_flow(periods, days),
        backlog=_draw_backlog(periods, days, forecast),
        forecast=_describe_forecast(forecast, last),
        bands=_draw_bands(first, last, judged),
        shift=_draw_shift(periods, count_scores(connection, start, end)),
        appeals=_draw_appeals(periods, count_outcomes(connection, start, end)),
        wrongful=_draw_wrongful(errors),
        n_judged_again=sum(band.judged for band in errors),
        times=time_reviews(connection, within=(start, end)),
        reviewers=tuple(sorted({name for pair in pairs for name in (pair.one, pair.other)})),
        pairs={key: pair for pair in pairs for key in ((pair.one, pair.other), (pair.other, pair.one))},
        alarms=tuple(_find_miscalibrated(judged)),
    )


def decided_query(first: date, last: date) -> str:
    """Return the query of the list of cases decided from one day to another."""
    return f"state=decided&since={first}&until={last}"


def _sum_flow(days: Sequence[BacklogDay]) -> Flow:
    return Flow(sum(day.arrived for day in days), sum(day.decided for day in days))


def _draw_flow(periods: Periods, days: Sequence[BacklogDay]) -> Chart:
    arrived, decided = [0] * len(periods.each), [0] * len(periods.each)
    for day in days:
        place = periods.place_of(day.day)
        arrived[place] += day.arrived
        decided[place] += day.decided
    return Chart(
        "Cases that came and were decided",
        f"{count(sum(arrived), 'case')} came and {sum(decided):,} were decided.",
        make_name_axis(periods.unit, periods.names),
        make_value_axis("cases", max(*arrived, *decided), is_count=True),
        (Series("Arrived", "columns", "arrived", arrived), Series("Decided", "columns", "decided", decided)),
        periods.names,
        key="flow",
        links=[f"/?{decided_query(period.first, period.last)}" for period in periods.each],
    )


def _draw_backlog(periods: Periods, days: Sequence[BacklogDay], forecast: BacklogForecast | None) -> Chart:
    """Draw the cases pending at the end of each period, and a dashed forecast at the recent pace."""
    pending = [0.0] * len(periods.each)
    for day in days:
        pending[periods.place_of(day.day)] = day.pending
    last, length = periods.each[-1].last, (periods.each[0].last - periods.each[0].first).days + 1
    ahead = _cut_ahead(last, length, max(2, len(periods.each) // 3) if forecast else 0)
    names = periods.names + [f"{day:%b %y}" if length > 7 else f"{day.day} {day:%b}" for day in ahead]
    series = [Series("Pending", "line", "decided", [*pending, *[None] * len(ahead)])]
    expected: list[float | None] = []
    if forecast:
        pace = forecast.decided - forecast.arrived
        expected = [max(0.0, forecast.pending - pace * (day - last).days) for day in ahead]
        line = [*[None] * (len(pending) - 1), pending[-1], *expected]
        series.append(Series("Forecast", "line", "arrived dash-0", line))
    return Chart(
        "Cases pending at the end of each period, with the forecast",
        f"{count(pending[-1], 'case')} pending on {last.day} {last:%B %Y}. {_describe_forecast(forecast, last)}",
        make_name_axis(periods.unit, names),
        make_value_axis("cases", max([*pending, *(value or 0 for value in expected)]), is_count=True),
        series,
        names,
        key="backlog",
    )


def _cut_ahead(last: date, n_days: int, n: int) -> list[date]:
    """Return the last days of the periods that follow a day."""
    return [last + timedelta(days=n_days * place) for place in range(1, n + 1)]


def _describe_forecast(forecast: BacklogForecast | None, last: date) -> str:
    if forecast is None:
        return "Too few days for a forecast."
    pace = (
        f"In the last {forecast.n_days} days {forecast.arrived:,.1f} cases came and {forecast.decided:,.1f} were "
        "decided a day"
    )
    if forecast.pending == 0:
        return "The queue is empty."
    if forecast.days is None:
        grows = forecast.arrived - forecast.decided
        return f"{pace}: at that pace the queue {f'grows by {grows:,.1f} cases a day' if grows else 'stays as it is'}."
    bounds = [_name_day(last, days) for days in (forecast.low, forecast.high)]
    return f"{pace}: at that pace it is empty {_name_day(last, forecast.days)} ({bounds[0]} to {bounds[1]})."


def _name_day(last: date, days: float | None) -> str:
    if days is None:
        return "never"
    if days > _LONGEST_FORECAST:
        return "in more than ten years"
    day = last + timedelta(days=round(days))
    return f"{day.day} {day:%b %Y}"


def _bounds_of(band: int) -> tuple[float, float]:
    return LOWEST_SCORES[band], (1.0, *LOWEST_SCORES)[band]


def _draw_bands(first: date, last: date, judged: Sequence[JudgedDay]) -> HeatStrip | None:
    """Draw precision over time for each band of scores, by week if any day has fewer than ten reviews.

    The intervals hold for all cells at once: otherwise some of many would lie outside by chance.
    """
    by_day = Counter[date]()
    for one in judged:
        by_day[one.day] += one.looks.n
    days = cut_periods(first, last).each
    periods = cut_periods(first, last, by_week=any(by_day[day.first] < _LEAST_OF_A_DAY for day in days))
    sums: dict[int, list[WeightedReviews]] = {}
    for one in judged:
        cells = sums.setdefault(one.band, [WeightedReviews() for _ in periods.each])
        cells[periods.place_of(one.day)] += one.looks
    n_cells = sum(cell.n > 0 for cells in sums.values() for cell in cells)
    rows = [
        (percent_range(*_bounds_of(band)), [_make_cell(cell.rate(n_cells), *_bounds_of(band)) for cell in cells])
        for band, cells in sorted(sums.items())
    ]
    return HeatStrip(periods, rows) if rows else None


def _make_cell(rate: Rate | None, low: float, high: float) -> HeatCell | None:
    if rate is None:
        return None
    side = "below" if rate.high < low else "above" if rate.low > high else ""
    return HeatCell(rate.share, side, f"{percent_range(rate.low, rate.high)} of {round(rate.n):,}")


def _make_rates(name: str, css: str, rates: Sequence[Rate | None]) -> Series:
    return Series(
        name,
        "points",
        css,
        [100 * rate.share if rate else None for rate in rates],
        [100 * rate.low if rate else None for rate in rates],
        [100 * rate.high if rate else None for rate in rates],
        [round(rate.n) if rate else 0 for rate in rates],
    )


def _find_miscalibrated(judged: Iterable[JudgedDay]) -> Iterable[str]:
    """Yield a sentence for each band whose precision surely differs from its scores."""
    sums: dict[int, WeightedReviews] = {}
    for day in judged:
        sums[day.band] = sums.get(day.band, WeightedReviews()) + day.looks
    bands = [(band, rate) for band, looks in sorted(sums.items()) if (rate := looks.rate()) and rate.n >= _LEAST_JUDGED]
    for band, _ in bands:
        rate, (low, high) = sums[band].rate(len(bands)), _bounds_of(band)
        if rate is None or (rate.low <= high and rate.high >= low):
            continue
        side = "below" if rate.high < low else "above"
        yield (
            f"Scores of {percent_range(low, high)}: {100 * rate.share:.0f} % were counterfeit "
            f"({percent_range(rate.low, rate.high)} of {sums[band].n:,}), {side} what the scores say."
        )


def _draw_shift(periods: Periods, scores: Mapping[date, Counter[int]]) -> Chart | None:
    """Draw the shift of each period's scores from those of the first with enough cases; None if none has."""
    counts = [Counter[int]() for _ in periods.each]
    for day, bins in scores.items():
        counts[periods.place_of(day)].update(bins)
    start = next((place for place, scored in enumerate(counts) if scored.total() >= _LEAST_REFERENCE), None)
    if start is None or not any(scored.total() for scored in counts[start + 1 :]):
        return None
    values: list[float | None] = [
        measure_shift(scored, counts[start]) if place > start and scored.total() >= _LEAST_JUDGED else None
        for place, scored in enumerate(counts)
    ]
    shifts = [value for value in values if value is not None]
    if not shifts:
        return None
    title = f"Drift of the scores of cases that came, against {periods.each[start].name}"
    description = (
        f"Scores of cases that came, against those of {periods.each[start].name}: the index was {shifts[-1]:.2f} "
        f"at last and {max(shifts):.2f} at most; above {_LARGE_SHIFT} the shift is large."
    )
    return Chart(
        title,
        description,
        make_name_axis(periods.unit, periods.names),
        make_value_axis("population stability index", max([*shifts, _LARGE_SHIFT])),
        (Series("Population stability index", "columns", "decided", values, ns=[scored.total() for scored in counts]),),
        periods.names,
        key="shift",
        guides=((_SHIFT, f"{_SHIFT}: some shift"), (_LARGE_SHIFT, f"{_LARGE_SHIFT}: large")),
    )


def _draw_appeals(periods: Periods, outcomes: dict[date, Counter[str]]) -> Chart | None:
    counts = [Counter[str]() for _ in periods.each]
    for day, decided in outcomes.items():
        counts[periods.place_of(day)].update(decided)
    n = sum(cell.total() for cell in counts)
    if not n:
        return None
    granted = [sum(cell[state] for state in FAVOURABLE) for cell in counts]
    rates = [count_rate(wins, cell.total()) for wins, cell in zip(granted, counts, strict=True)]
    series = _make_rates("Granted", "decided", rates)
    return Chart(
        "Appeals granted, wholly or in part, of those decided",
        f"Of {count(n, 'appeal')} that were decided, {sum(granted):,} were granted, wholly or in part.",
        make_name_axis(periods.unit, periods.names),
        make_value_axis("% granted", _SHARES, " %"),
        (series,),
        periods.names,
        " %",
        key="granted",
    )


def _draw_wrongful(errors: Sequence[BandErrors]) -> Chart | None:
    shown = [band for band in errors if band.judged]
    if not any(band.wrong for band in shown):
        return None
    series = _make_rates("Wrong", "arrived", [count_rate(band.wrong, band.judged) for band in shown])
    names = [band.band for band in shown]
    return Chart(
        f"Wrongful removals by listings of the seller, of those {shown[0].source}",
        "; ".join(f"{band.band}: {band.wrong:,} of {band.judged:,}" for band in shown) + ".",
        make_name_axis("listings of the seller", names),
        make_value_axis("% wrong", _SHARES, " %"),
        (series,),
        names,
        " %",
        key="wrongful",
    )
