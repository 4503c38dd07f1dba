"""Dashboard charts: daily figures over the days of the address, from the database's daily counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection

from ipml.enforcement.appeals.appeal import FAVOURABLE, count_outcomes
from ipml.enforcement.fairness import BandErrors, list_error_rates
from ipml.enforcement.policy import EnforcementPolicy
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
from ipml.web.console.drawing.plots import Periods, Plot, Series, cut_periods
from ipml.web.phrases import count, percent_range

_LEAST_JUDGED = 30  # reviews needed for an alarm
_LEAST_REFERENCE = 100  # cases needed in the period of comparison
_SHIFT, _LARGE_SHIFT = 0.1, 0.25  # of the population stability index, by the usual rule of thumb
_LONGEST_FORECAST = 3_650  # days


@dataclass(frozen=True, slots=True)
class History:
    """The charts of some days.

    `bands` has precision over time for each band of scores with judgements; `alarms` are sentences to look into.
    `pairs` has each pair of reviewers in both orders. `wrongful` is None if nothing was wrong.
    """

    flow: Plot
    backlog: Plot
    forecast: str
    bands: tuple[Plot, ...]
    shift: Plot | None
    appeals: Plot | None
    wrongful: Plot | None
    n_judged_again: int
    times: tuple[ReviewTime, ...]
    reviewers: tuple[str, ...]
    pairs: dict[tuple[str, str], ReviewerPair]
    alarms: tuple[str, ...]


def read_history(connection: Connection, first: date, last: date, policy: EnforcementPolicy) -> History:
    """Return the charts from one day to another, both in UTC and included."""
    periods = cut_periods(first, last)
    start, end = (datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1)))
    days = trace_backlog(connection, start, end)
    forecast = forecast_backlog(days)
    judged = count_judged(connection, start, end)
    errors = list_error_rates(connection, policy, start, end)
    pairs = compare_reviewers(connection, start, end)
    return History(
        flow=_draw_flow(periods, days),
        backlog=_draw_backlog(periods, days, forecast),
        forecast=_tell_forecast(forecast, last),
        bands=_draw_bands(periods, judged),
        shift=_draw_shift(periods, count_scores(connection, start, end)),
        appeals=_draw_appeals(periods, count_outcomes(connection, start, end)),
        wrongful=_draw_wrongful(errors),
        n_judged_again=sum(one.judged for one in errors),
        times=time_reviews(connection, within=(start, end)),
        reviewers=tuple(sorted({name for pair in pairs for name in (pair.one, pair.other)})),
        pairs={key: pair for pair in pairs for key in ((pair.one, pair.other), (pair.other, pair.one))},
        alarms=tuple(_find_miscalibrated(judged)),
    )


def _draw_flow(periods: Periods, days: Sequence[BacklogDay]) -> Plot:
    arrived, decided = [0] * len(periods.each), [0] * len(periods.each)
    for one in days:
        place = periods.place_of(one.day)
        arrived[place] += one.arrived
        decided[place] += one.decided
    says = f"{count(sum(arrived), 'case')} came and {sum(decided):,} were decided."
    series = (Series("Arrived", "bars", "arrived", arrived), Series("Decided", "bars", "decided", decided))
    return _over_time("flow", "Cases that came and were decided", says, "cases", periods, series)


def _over_time(
    key: str, title: str, says: str, y_title: str, periods: Periods, series: Sequence[Series], unit: str = ""
) -> Plot:
    names = [one.name for one in periods.each]
    return Plot(key, title, says, periods.unit, y_title, names, series, unit, first_name=periods.unit.capitalize())


def _draw_backlog(periods: Periods, days: Sequence[BacklogDay], forecast: BacklogForecast | None) -> Plot:
    """Draw the cases pending at the end of each period, and a dashed forecast at the recent pace."""
    pending: list[float | None] = [0.0] * len(periods.each)
    for one in days:
        pending[periods.place_of(one.day)] = one.pending
    last, length = periods.each[-1].last, (periods.each[0].last - periods.each[0].first).days + 1
    n_ahead = max(2, len(periods.each) // 3) if forecast else 0
    ahead = cut_ahead(last, length, n_ahead)
    names = [one.name for one in periods.each]
    names += [f"{day:%b %y}" if length > 7 else f"{day.day} {day:%b}" for day in ahead]
    expected: list[float | None] = [None] * len(names)
    if forecast:
        pace = forecast.decided - forecast.arrived
        expected[len(pending) - 1] = pending[-1]
        for place, day in enumerate(ahead, start=len(pending)):
            expected[place] = max(0.0, forecast.pending - pace * (day - last).days)
    says = f"{count(pending[-1] or 0, 'case')} pending on {last.day} {last:%B %Y}. {_tell_forecast(forecast, last)}"
    series = [Series("Pending", "line", "decided", [*pending, *[None] * n_ahead])]
    if forecast:
        series.append(Series("Forecast", "dashed", "arrived", expected))
    return Plot(
        "backlog",
        "Cases pending at the end of each period, with the forecast",
        says,
        periods.unit,
        "cases",
        names,
        series,
        first_name=periods.unit.capitalize(),
    )


def cut_ahead(last: date, n_days: int, n: int) -> list[date]:
    """Return the last days of the periods that follow a day."""
    return [last + timedelta(days=n_days * place) for place in range(1, n + 1)]


def _tell_forecast(forecast: BacklogForecast | None, last: date) -> str:
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


def _draw_bands(periods: Periods, judged: Iterable[JudgedDay]) -> tuple[Plot, ...]:
    """Draw precision over time for each band of scores, with the band as the expected range.

    The intervals hold for all points at once: otherwise some of many would lie outside by chance.
    """
    sums: dict[int, list[WeightedReviews]] = {}
    for one in judged:
        cells = sums.setdefault(one.band, [WeightedReviews() for _ in periods.each])
        cells[periods.place_of(one.day)] += one.looks
    n_points = sum(cell.n > 0 for cells in sums.values() for cell in cells)
    plots = []
    for band, cells in sorted(sums.items()):
        low, high = _bounds_of(band)
        rates = [cell.rate(n_points) for cell in cells]
        whole = sum(cells, WeightedReviews())
        name = percent_range(low, high)
        says = (
            f"Of {count(whole.n, 'case')} with a score of {name}, {100 * whole.hits / whole.weight:.0f} % were "
            f"counterfeit; expected {name}."
        )
        series = _make_rates("Counterfeit", "points", "precision", rates)
        plots.append(
            Plot(
                f"band-{band}",
                f"Score {name}",
                says,
                periods.unit,
                "% found counterfeit",
                [one.name for one in periods.each],
                (series,),
                " %",
                expected=(100 * low, 100 * high),
                largest=100.0,
                height=110,
                first_name=periods.unit.capitalize(),
            )
        )
    return tuple(plots)


def _make_rates(name: str, kind: str, css: str, rates: Sequence[Rate | None]) -> Series:
    return Series(
        name,
        kind,
        css,
        [100 * rate.share if rate else None for rate in rates],
        [100 * rate.low if rate else None for rate in rates],
        [100 * rate.high if rate else None for rate in rates],
        [round(rate.n) if rate else 0 for rate in rates],
    )


def _find_miscalibrated(judged: Iterable[JudgedDay]) -> Iterable[str]:
    """Yield a sentence for each band whose precision surely differs from its scores."""
    sums: dict[int, WeightedReviews] = {}
    for one in judged:
        sums[one.band] = sums.get(one.band, WeightedReviews()) + one.looks
    known = [(band, rate) for band, looks in sorted(sums.items()) if (rate := looks.rate()) and rate.n >= _LEAST_JUDGED]
    for band, _ in known:
        rate, (low, high) = sums[band].rate(len(known)), _bounds_of(band)
        if rate is None or (rate.low <= high and rate.high >= low):
            continue
        side = "below" if rate.high < low else "above"
        yield (
            f"Scores of {percent_range(low, high)}: {100 * rate.share:.0f} % were counterfeit "
            f"({percent_range(rate.low, rate.high)} of {sums[band].n:,}), {side} what the scores say."
        )


def _draw_shift(periods: Periods, scores: Mapping[date, Counter[int]]) -> Plot | None:
    """Draw the shift of each period's scores from those of the first with enough cases; None if none has."""
    counts = [Counter[int]() for _ in periods.each]
    for day, bins in scores.items():
        counts[periods.place_of(day)].update(bins)
    start = next((place for place, one in enumerate(counts) if one.total() >= _LEAST_REFERENCE), None)
    if start is None or not any(one.total() for one in counts[start + 1 :]):
        return None
    values: list[float | None] = [
        measure_shift(one, counts[start]) if place > start and one.total() >= _LEAST_JUDGED else None
        for place, one in enumerate(counts)
    ]
    known = [value for value in values if value is not None]
    if not known:
        return None
    says = (
        f"Scores of cases that came, against those of {periods.each[start].name}: the index was {known[-1]:.2f} "
        f"at last and {max(known):.2f} at most; above {_LARGE_SHIFT} the shift is large."
    )
    title = f"Drift of the scores of cases that came, against {periods.each[start].name}"
    series = (Series("Population stability index", "bars", "decided", values, ns=[one.total() for one in counts]),)
    guides = ((_SHIFT, f"{_SHIFT}: some shift"), (_LARGE_SHIFT, f"{_LARGE_SHIFT}: large"))
    plot = _over_time("shift", title, says, "population stability index", periods, series)
    return replace(plot, guides=guides)


def _draw_appeals(periods: Periods, outcomes: dict[date, Counter[str]]) -> Plot | None:
    counts = [Counter[str]() for _ in periods.each]
    for day, decided in outcomes.items():
        counts[periods.place_of(day)].update(decided)
    n = sum(one.total() for one in counts)
    if not n:
        return None
    granted = [sum(one[state] for state in FAVOURABLE) for one in counts]
    rates = [count_rate(wins, one.total()) for wins, one in zip(granted, counts, strict=True)]
    says = f"Of {count(n, 'appeal')} that were decided, {sum(granted):,} were granted, wholly or in part."
    series = (_make_rates("Granted", "bars", "decided", rates),)
    return _over_time(
        "granted", "Appeals granted, wholly or in part, of those decided", says, "% granted", periods, series, " %"
    )


def _draw_wrongful(errors: Sequence[BandErrors]) -> Plot | None:
    shown = [one for one in errors if one.judged]
    if not any(one.wrong for one in shown):
        return None
    series = _make_rates("Wrong", "bars", "arrived", [count_rate(one.wrong, one.judged) for one in shown])
    said = [f"{one.band}: {one.wrong:,} of {one.judged:,}" for one in shown]
    return Plot(
        "wrongful",
        f"Wrongful removals by listings of the seller, of those {shown[0].source}",
        "; ".join(said) + ".",
        "listings of the seller",
        "% wrong",
        [one.band for one in shown],
        (series,),
        " %",
        first_name="Listings",
    )
