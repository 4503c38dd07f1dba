"""Charts stay within their frame, whatever they show."""

from hypothesis import given
from hypothesis import strategies as st

from ipml.review.queue_metrics import Hits
from ipml.review.sampling.estimates import EstimatedFigure, Estimates
from ipml.web.console.drawing.charts import make_estimate_bars, make_hit_bars


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
