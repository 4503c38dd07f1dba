"""Charts stay within their frame, whatever they show."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ipml.review.queue_metrics import Hits, QueueDay
from ipml.review.sampling.estimates import EstimatedFigure, Estimates
from ipml.web.console.charts import make_day_chart, make_estimate_bars, make_hit_bars

numbers = st.integers(0, 10**9)


@given(st.lists(st.tuples(numbers, numbers), max_size=31))
def test_bars_stay_within_the_chart_and_apart(pairs: list[tuple[int, int]]) -> None:
    """Two a day, from left to right, none over another, none higher than the chart."""
    days = [QueueDay(date(2024, 5, 1) + timedelta(days=place), *pair) for place, pair in enumerate(pairs)]
    chart = make_day_chart(days)
    assert len(chart.bars) == 2 * len(days)
    assert all(0 <= bar.height <= 100 for bar in chart.bars)
    ends = [0.0, *(bar.x + bar.width for bar in chart.bars)]
    assert all(end <= bar.x + 1e-9 for end, bar in zip(ends, chart.bars, strict=False))
    assert ends[-1] <= 100


@given(st.integers(1, 100))
def test_names_of_days_do_not_run_into_each_other(n_days: int) -> None:
    """However many days there are: a few with their month where they are many, and the first is always named."""
    chart = make_day_chart([QueueDay(date(2024, 5, 1) + timedelta(days=place), 0, 0) for place in range(n_days)])
    assert sum(len(name) + 1 for _, name in chart.labels) <= 31 * 3
    assert len({name for _, name in chart.labels}) == len(chart.labels)
    assert chart.labels[0][0] < 100 / n_days


@given(st.integers(0, 50), st.integers(1, 50))
def test_a_share_lies_within_its_interval(found: int, judged: int) -> None:
    """So it is drawn."""
    (bar,) = make_hit_bars([Hits(0.9, 0.95, judged, min(found, judged))])
    assert 0 <= bar.low <= bar.share <= bar.high <= 100


def test_listings_without_a_score_have_a_name() -> None:
    """A band without bounds is not one of scores."""
    (bar,) = make_hit_bars([Hits(None, None, 1, 1)])
    assert bar.name == "no score"


def test_a_figure_of_too_few_reviews_is_not_drawn() -> None:
    """What is not known has no bar, and the others keep their order."""
    figures = (
        EstimatedFigure("prevalence", 0.1, 0.0, 0.3, None, 9),
        EstimatedFigure("recall of the queue", None, None, None, 1.0, 9),
    )
    bars = make_estimate_bars(Estimates(figures, 1, 100, 0, 0, 9, 9))
    assert [(bar.name, bar.says, bar.naive) for bar in bars] == [("Prevalence", "10.0 %", "")]
