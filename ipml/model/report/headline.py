"""The three sentences of a report that matter: how good, against what, and where weak."""

from __future__ import annotations

from collections.abc import Sequence

from ipml.model.evaluation import COMPARED_BY, MODEL, Comparison, Evaluation
from ipml.model.metrics import Estimate
from ipml.model.report.found_first import FoundFirst
from ipml.model.slices import Fairness, Slice

_MOST_NAMED = 3


def percent(share: float) -> str:
    """Write a share as whole percent; neither nothing nor everything unless it is.

    Examples
    --------
    >>> percent(0.126), percent(0.999), percent(0.001), percent(0.0)
    ('13 %', 'over 99 %', 'under 1 %', '0 %')
    """
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{round(100 * share)} %"


def say_how_good(evaluation: Evaluation, found: Sequence[FoundFirst]) -> str:
    """Say what a reader of the first listings finds.

    Parameters
    ----------
    evaluation : Evaluation
    found : sequence of FoundFirst
        Told is that whose k is nearest to the number of counterfeits, those that the labels stand for.
    """
    reviewed, counts = evaluation.reviewed, evaluation.counts
    prevalence = reviewed.prevalence if reviewed else counts.prevalence
    counterfeits = reviewed.prevalence * reviewed.listings if reviewed else counts.counterfeits
    near = min(found, key=lambda first: abs(first.k - counterfeits))
    among = " among all that the labels stand for" if reviewed and reviewed.drawn else ""
    return (
        f"Of the {near.k:,} listings it suspects most{among}, {percent(near.precision.value)} are counterfeit "
        f"({_span(near.precision)}), where as many picked blindly would hold {percent(prevalence)}; "
        f"they are {percent(near.recall.value)} of all counterfeits there are."
    )


def say_against_what(evaluation: Evaluation, champion: Comparison | None = None) -> str:
    """Say whether the model beats the best baseline, and the champion where there is one.

    Examples
    --------
    >>> from ipml.model.slices import Counts
    >>> figures = {"model": {"average_precision": Estimate(0.8, 0.5, 0.9)}}
    >>> tie = Comparison("price rule", Estimate(0.04, -0.02, 0.1))
    >>> print(say_against_what(Evaluation(Counts(100, 8, 30), figures, tie, (), 500, 0)))
    Its average precision, 0.800 (0.500 to 0.900), is not clearly above that of the best baseline, price rule: by
    0.040 (-0.020 to 0.100).
    """
    comparisons = {}
    if evaluation.comparison:
        comparisons[f"the best baseline, {evaluation.comparison.baseline}"] = evaluation.comparison.difference
    if champion:
        comparisons["the champion"] = champion.difference
    compared = [f"{_verdict(above)} that of {who}: by {above}" for who, above in comparisons.items()]
    precision = evaluation.figures[MODEL][COMPARED_BY]
    verdict = f"is {', and '.join(compared)}" if compared else "was compared with nothing"
    return f"Its average precision, {precision}, {verdict}."


def say_where_weak(slices: Sequence[Slice], fairness: Fairness) -> str:
    """Name the slices and the kinds of sellers for which the model is clearly worse, or say that none is.

    Examples
    --------
    >>> say_where_weak((), Fairness(0.5, ()))
    'No slice is clearly below the whole, and no kind of seller was large enough to compare false alarms.'
    """
    below = [f"{part.column} {_quote(part.value)}" for part in slices if part.is_below]
    unfair = [f"{row.column} {_quote(row.value)}" for row in fairness.rows if row.is_unfair]
    weak = f"It is clearly weaker on {_enumerate(below)}" if below else "No slice is clearly below the whole"
    if unfair:
        return f"{weak}, {'and' if below else 'but'} it raises clearly more false alarms on {_enumerate(unfair)}."
    if not fairness.rows:
        return f"{weak}, and no kind of seller was large enough to compare false alarms."
    return f"{weak}, and no kind of seller is clearly flagged in error more often than the others."


def _verdict(difference: Estimate) -> str:
    if difference.low > 0:
        return "clearly above"
    return "clearly below" if difference.high < 0 else "not clearly above"


def _span(share: Estimate) -> str:
    return f"{100 * share.low:.0f} to {100 * share.high:.0f} %"


def _quote(value: str) -> str:
    # The value is text of sellers: it must not steer a terminal, nor fill the sentence.
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in value[:40])
    return f"“{shown}{'…' * (len(value) > 40)}”"


def _enumerate(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
