"""Report on a model: one self-contained HTML page that a person reads before the model is trusted.

Listing text in it is hostile: see `ipml.kit.hostile_text` and `ipml.kit.report_page`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from ipml.errors import Refused, UnwritableFile
from ipml.kit.charts import Chart, write_chart_file
from ipml.kit.hostile_text import make_templates
from ipml.kit.report_page import render_report_page
from ipml.model.evaluation.differences import estimate_differences, find_fewest_sellers
from ipml.model.evaluation.evaluation import (
    COMPARED_BY,
    MODEL,
    BaselineComparison,
    Evaluation,
    TestedListings,
    draw_figures,
)
from ipml.model.evaluation.fairness import reliability_by_brand, seller_fairness
from ipml.model.evaluation.label_weights import count_by_probability, find_label_probability
from ipml.model.evaluation.metrics import VALUE_CURRENCY, Estimate, estimate_of
from ipml.model.evaluation.ranking import Resampling
from ipml.model.evaluation.slices import break_even
from ipml.model.questions.costs import Costs, measure_costs
from ipml.model.questions.error_slices import find_error_slices
from ipml.model.questions.learning_curve import LearningCurve
from ipml.model.questions.plots import plot_costs, plot_learning_curve
from ipml.model.questions.seller_influence import measure_seller_influence
from ipml.model.report.curves import (
    plot_precision_recall,
    plot_reliability,
    plot_scores,
    precision_recall,
    reliability,
    score_histogram,
)
from ipml.model.report.facts import Explain, ReportFacts, ReportHead, choose_k, found_first, most_misjudged, percent
from ipml.model.robustness.robustness import Robustness

_AT_K = "precision_at_"
_CURVE_RESAMPLES = 200
_GLOSSES = {
    "average_precision": "mean precision over the counterfeits, from the top down",
    "recall_at_precision": "share of the counterfeits found while precision is at least {}",
    "precision_at": "share of counterfeits among the first {}",
    "recall_at": "share of all counterfeits that is among the first {}",
    "brier": "squared distance of score and truth; less is better",
    "calibration_error": "how far scores and observed shares differ; less is better",
}


@dataclass(frozen=True)
class ReportParts:
    """Optional parts of a report.

    Attributes
    ----------
    champion : sequence of array of shape (n_listings,), optional
        The champion's scores of the tested listings, one array a repeat.
    robustness : Robustness, optional
        Cost of attacks on the model.
    explain : Explain, optional
        Asked for the misjudged listings only.
    costs : Costs, optional
        By default a wrongful removal costs as much as a missed counterfeit, and a review nothing.
    learning : LearningCurve, optional
    """

    champion: Sequence[ArrayLike] | None = None
    robustness: Robustness | None = None
    explain: Explain | None = None
    costs: Costs | None = None
    learning: LearningCurve | None = None


NO_PARTS = ReportParts()


def model_report(
    tested: TestedListings, evaluation: Evaluation, head: ReportHead, parts: ReportParts = NO_PARTS
) -> ReportFacts:
    """Measure the report on a model that was tested on listings it had not seen.

    If listings were scored several times, figures are averaged over the repeats; curves, false alarms and
    misjudged listings are those of the first.

    Parameters
    ----------
    tested : TestedListings
        The listings, their truth and the scores.
    evaluation : Evaluation
        Measured on the same.
    parts : ReportParts, optional

    Raises
    ------
    UnmeasurableScores
        A score that is not a probability, or arrays whose lengths differ.
    """
    y, score, sellers = tested.y, tested.scores[MODEL][0], tested.listings["seller_id"]
    label_probability, weight = find_label_probability(tested.listings), tested.weight
    weighted = Resampling(evaluation.n_resamples, evaluation.seed, weight)
    counted = replace(weighted, weight=None if label_probability is None else count_by_probability(label_probability))
    few = replace(counted, n_resamples=min(evaluation.n_resamples, _CURVE_RESAMPLES))
    limit = break_even(y, score, weight)  # as many are flagged as there are counterfeits
    costs = parts.costs or Costs(missed=1.0, wrongful=1.0)
    priced = _answer(measure_costs, y, score, tested.listings, costs, resampling=few)
    compared, champion_figures = _compare_with_champion(tested, evaluation, parts.champion)
    baselines = {name: scores[0] for name, scores in tested.scores.items() if name != MODEL}
    return ReportFacts(
        head=head,
        evaluation=evaluation,
        champion=compared,
        champion_figures=champion_figures,
        found=found_first(y, tested.scores[MODEL], tested.listings, choose_k(len(y)), weighted),
        value_currency=str(tested.listings[VALUE_CURRENCY].iloc[0]) if VALUE_CURRENCY in tested.listings else "",
        curve=precision_recall(y, score, sellers, baselines=baselines, resampling=few),
        bins=reliability(y, score, sellers, resampling=few),
        brands=reliability_by_brand(y, score, tested.listings, counted),
        histogram=score_histogram(y, score, weight=counted.weight),
        slices=evaluation.slices,
        fairness=seller_fairness(y, score, tested.listings, limit, counted),
        misjudged=most_misjudged(y, score, tested.listings, explain=parts.explain),
        influence=measure_seller_influence(y, score, tested.listings, few),
        robustness=parts.robustness,
        errors=_answer(find_error_slices, y, score, tested.listings, threshold=limit, resampling=few),
        costs=priced,
        cost_unit=priced.currency if priced and parts.costs else "missed counterfeits",
        learning=parts.learning,
    )


def _answer(question: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """Return the answer to a question; None if the listings cannot answer it."""
    try:
        return question(*given, **named)
    except Refused:
        return None


def render_report(facts: ReportFacts) -> str:
    """Return the page as HTML."""
    return render_report_page(_templates, f"{facts.head.model} – model report", facts=facts, charts=_plot(facts))


def render_pictures(facts: ReportFacts) -> dict[str, str]:
    """Return the charts of the page by name, each the text of an SVG file."""
    return {name: write_chart_file(chart) for name, chart in _plot(facts).items()}


def _plot(facts: ReportFacts) -> dict[str, Chart]:
    charts = {
        "precision_recall": plot_precision_recall(facts.curve),
        "reliability": plot_reliability(facts.bins),
        "scores": plot_scores(facts.histogram),
    }
    if facts.costs:
        costs = plot_costs(facts.costs)  # the page may count in missed counterfeits; its caption names the unit
        charts["costs"] = replace(costs, y=replace(costs.y, title="cost per 1,000 listings"))
    if facts.learning:
        charts["learning_curve"] = plot_learning_curve(facts.learning)
    return charts


def write_report(facts: ReportFacts, path: Path) -> Path:
    """Write the page into a file and return its path.

    Raises `UnwritableFile`: the file cannot be written there.
    """
    page = render_report(facts)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UnwritableFile(path, error.strerror or str(error), "a file in a folder that exists") from error
    return path


def _compare_with_champion(
    tested: TestedListings, evaluation: Evaluation, champion: Sequence[ArrayLike] | None
) -> tuple[BaselineComparison | None, dict[str, Estimate]]:
    """Measure the champion, and the model's difference to it on the same resamples."""
    if champion is None:
        return None, {}
    k = [int(name.removeprefix(_AT_K)) for name in evaluation.figures[MODEL] if name.startswith(_AT_K)]
    resampling = Resampling(evaluation.n_resamples, evaluation.seed, tested.weight)
    ours, theirs = (
        draw_figures(tested.y, scores, tested.listings, k, resampling) for scores in (tested.scores[MODEL], champion)
    )
    n_sellers = find_fewest_sellers(tested.y.astype(float), tested.listings["seller_id"], tested.weight).effective
    differences = estimate_differences({COMPARED_BY: ours[COMPARED_BY] - theirs[COMPARED_BY]}, n_sellers)
    figures = {name: estimate_of(draws) for name, draws in theirs.items()}
    return BaselineComparison("champion", differences[COMPARED_BY]), figures


def _gloss(measure: str) -> str:
    """Return the meaning of a measure in a few words.

    >>> _gloss("precision_at_100")
    'share of counterfeits among the first 100'
    """
    if measure.startswith("value_"):
        _, currency, _, k = measure.split("_")
        return f"asking prices in {currency} of the counterfeits among the first {k}, added up"
    stem, _, number = measure.rpartition("_")
    return _GLOSSES.get(measure) or _GLOSSES[stem].format(number)


def _cut(text: str, most_letters: int = 300) -> str:
    return text[:most_letters] + "…" * (len(text) > most_letters)


_templates = make_templates("ipml.model.report")
_templates.globals["gloss"] = _gloss
_templates.filters |= {"percent": percent, "cut": _cut}
