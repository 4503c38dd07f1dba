"""What the sentences at the head of a report promise."""

from ipml.model.evaluation.evaluation import BaselineComparison, Evaluation
from ipml.model.evaluation.fairness import Fairness
from ipml.model.evaluation.metrics import Estimate
from ipml.model.evaluation.slices import Slice, SliceCounts
from ipml.model.report.facts import say_against_what, say_where_weak

COUNTS = SliceCounts(100, 10, 30)
FIGURES = {"model": {"average_precision": Estimate(0.8, 0.7, 0.9)}}


def test_the_interval_decides_what_is_clear():
    """A difference whose interval holds zero is not called clear, be it to a baseline or to the champion."""
    for difference, verdict in (
        (Estimate(0.2, 0.1, 0.3), "clearly above that of"),
        (Estimate(0.2, -0.1, 0.3), "not clearly above that of"),
        (Estimate(-0.2, -0.3, -0.1), "clearly below that of"),
    ):
        evaluation = Evaluation(COUNTS, FIGURES, BaselineComparison("price rule", difference), (), 500, 0)
        sentence = say_against_what(evaluation, BaselineComparison("champion", difference))
        assert f"is {verdict} the best baseline, price rule" in sentence
        assert f"and {verdict} the champion" in sentence
    assert "compared with nothing" in say_against_what(Evaluation(COUNTS, FIGURES, None, (), 500, 0))


def test_slices_are_named_without_steering_the_terminal():
    """Three slices are named, the others counted; control characters of sellers are replaced."""
    slices = [Slice("brand", f"\x1b[2J{number}", COUNTS, {}, is_below=True) for number in range(5)]
    sentence = say_where_weak(slices, Fairness(0.5, ()))
    assert "and 2 more" in sentence
    assert "\x1b" not in sentence
