"""Facts: the content of a report on a model, before it is written as a page.

Three sentences matter most: how good, against which baseline, and where weak. Beside them are the counterfeits, and
their value, among the first listings that reviewers read; and the most misjudged listings with the model's reasons,
which are the first to label anew, as the label may be wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.model.evaluation.evaluation import COMPARED_BY, MODEL, BaselineComparison, Evaluation, draw_repeats
from ipml.model.evaluation.fairness import BrandReliability, Fairness
from ipml.model.evaluation.metrics import Estimate, draw_values, estimate_of
from ipml.model.evaluation.ranking import DEFAULT_RESAMPLING, Resampling, check_scores, take_by_seller
from ipml.model.evaluation.slices import Slice
from ipml.model.questions.costs import CostCurve
from ipml.model.questions.error_slices import ErrorSlices
from ipml.model.questions.learning_curve import LearningCurve
from ipml.model.questions.seller_influence import SellerInfluence
from ipml.model.report.curves import PrecisionRecall, Reliability, ScoreHistogram
from ipml.model.robustness.robustness import AttackCost, Robustness

_K = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True)
class FoundFirst:
    """Counterfeits among the first `k` listings.

    Attributes
    ----------
    precision : Estimate
        Share of counterfeits among them.
    recall : Estimate
        Share of all counterfeits that is among them.
    value, value_share : Estimate or None
        Sum of the asking prices of these counterfeits in one currency, and its share of that of all counterfeits. None
        if no price is known.
    """

    k: int
    precision: Estimate
    recall: Estimate
    value: Estimate | None
    value_share: Estimate | None


def choose_k(n_listings: int) -> tuple[int, ...]:
    """Return round numbers of listings that people might read, up to half of all.

    >>> choose_k(300)
    (10, 20, 50, 100)
    """
    return tuple(k for k in _K if k <= n_listings / 2) or (max(n_listings // 2, 1),)


def found_first(
    y: ArrayLike,
    scores: Sequence[ArrayLike],
    listings: pd.DataFrame,
    k: Sequence[int],
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> tuple[FoundFirst, ...]:
    """Measure the counterfeits among the first `k` listings, for several k.

    Parameters
    ----------
    scores : sequence of array of shape (n_listings,)
        Probabilities, one array a repeat; the figures are averaged over them.
    listings : DataFrame of shape (n_listings, …)
        With `seller_id` and, for values, what `ipml.model.evaluation.metrics.add_values` adds.
    k : sequence of int
        Numbers of listings that are read.
    resampling : Resampling
        Its weights count towards k.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abcd"), "value": [30.0, 9.0, 10.0, 9.0], "value_currency": "EUR"})
    >>> found = found_first([1, 0, 1, 0], [[0.9, 0.8, 0.7, 0.1]], listings, [2])
    >>> found[0].precision.value, found[0].value.value, found[0].value_share.value
    (0.5, 30.0, 0.75)
    """
    names = [f"{share}_at_{n}" for n in k for share in ("precision", "recall")]
    draws = draw_repeats(y, scores, listings["seller_id"], names, resampling)
    values = draw_values(y, scores, listings, k, resampling)
    found = []
    for place, n in enumerate(k):
        value, share = (None if values is None else estimate_of(values[part, place]) for part in (0, 1))
        precision, recall = (estimate_of(draws[f"{name}_at_{n}"]) for name in ("precision", "recall"))
        found.append(FoundFirst(n, precision, recall, value, share))
    return tuple(found)


Explain = Callable[[pd.DataFrame], Sequence[Sequence[str]]]
MOST_REASONS = 6
_TEXTS = ("listing_id", "seller_id", "title", "brand", "category", "currency")


@dataclass(frozen=True, slots=True)
class Misjudged:
    """One listing, as its seller wrote it, with its label, its score and the first sentences that explain it."""

    listing_id: str
    seller_id: str
    title: str
    brand: str
    category: str
    currency: str
    price: float | None
    is_counterfeit: bool
    score: float
    reasons: tuple[str, ...] = ()


def most_misjudged(
    y: ArrayLike, score: ArrayLike, listings: pd.DataFrame, *, n: int = 10, explain: Explain | None = None
) -> tuple[Misjudged, ...]:
    """Return the genuine listings with the highest scores, then the counterfeits with the lowest.

    Parameters
    ----------
    y, score : array of shape (n_listings,)
        Truth (0 or 1) and score.
    listings : DataFrame of shape (n_listings, …)
    n : int, default=10
        Most listings of each class; at most two of one seller, whose listings are often alike.
    explain : function of DataFrame, optional
        Returns the sentences for each of these listings.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": list("abc"), "title": ["Bag", "Watch", "Hat"]})
    >>> [(wrong.title, wrong.score) for wrong in most_misjudged([0, 1, 0], [0.8, 0.3, 0.1], listings, n=1)]
    [('Bag', 0.8), ('Watch', 0.3)]
    """
    truth, scores = check_scores(y, score, are_probabilities=False)
    order = np.argsort(np.where(truth == 0, -scores, scores), kind="stable")
    rows = np.concatenate([take_by_seller(order[truth[order] == side], listings["seller_id"], n) for side in (0, 1)])
    shown = listings.iloc[rows]
    reasons = explain(shown) if explain and len(shown) else [()] * len(shown)
    return tuple(
        _misjudged(listing, bool(truth[row]), float(scores[row]), sentences)
        for row, listing, sentences in zip(rows, shown.to_dict("records"), reasons, strict=True)
    )


def _misjudged(listing: dict[Hashable, Any], is_counterfeit: bool, score: float, reasons: Sequence[str]) -> Misjudged:
    texts = {name: "" if pd.isna(listing.get(name)) else str(listing[name]) for name in _TEXTS}
    price = listing.get("price")
    return Misjudged(
        **texts,
        price=None if pd.isna(price) else float(price),
        is_counterfeit=is_counterfeit,
        score=score,
        reasons=tuple(reasons[:MOST_REASONS]),
    )


_MOST_NAMED = 3


def percent(share: float) -> str:
    """Return a share in whole percent; 0 % and 100 % only if exact.

    >>> percent(0.126), percent(0.999), percent(0.001), percent(0.0)
    ('13 %', 'over 99 %', 'under 1 %', '0 %')
    """
    if 0 < share < 0.005:
        return "under 1 %"
    if 0.995 <= share < 1:
        return "over 99 %"
    return f"{round(100 * share)} %"


def say_how_good(evaluation: Evaluation, found: Sequence[FoundFirst]) -> str:
    """Return the sentence on the counterfeits among the first listings.

    Parameters
    ----------
    found : sequence of FoundFirst
        The one whose k is nearest to the number of counterfeits that the labels represent is reported.
    """
    reviewed, counts = evaluation.reviewed, evaluation.counts
    prevalence = reviewed.prevalence if reviewed else counts.prevalence
    counterfeits = reviewed.prevalence * reviewed.listings if reviewed else counts.counterfeits
    near = min(found, key=lambda first: abs(first.k - counterfeits))
    low, high = 100 * near.precision.low, 100 * near.precision.high
    among = " among all that the labels stand for" if reviewed and reviewed.drawn else ""
    return (
        f"Of the {near.k:,} listings it suspects most{among}, {percent(near.precision.value)} are counterfeit "
        f"({low:.0f} to {high:.0f} %), where as many picked blindly would hold {percent(prevalence)}; "
        f"they are {percent(near.recall.value)} of all counterfeits there are."
    )


def say_against_what(evaluation: Evaluation, champion: BaselineComparison | None = None) -> str:
    """Return the sentence on the best baseline, and on the champion if there is one.

    >>> from ipml.model.evaluation.slices import SliceCounts as Counts
    >>> figures = {"model": {"average_precision": Estimate(0.8, 0.5, 0.9)}}
    >>> tie = BaselineComparison("price rule", Estimate(0.04, -0.02, 0.1))
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
    """Return the sentence on slices and kinds of sellers for which the model is clearly worse.

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


def _quote(value: str) -> str:
    # The value is text of sellers: it must not steer a terminal, nor fill the sentence.
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in value[:40])
    return f"“{shown}{'…' * (len(value) > 40)}”"


def _enumerate(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


_MOST_ATTACKS = 15
_MOST_SELLERS = 10


@dataclass(frozen=True)
class ReportHead:
    """Subject of a report.

    Attributes
    ----------
    model : str
        Name and version: "ipml-goods/3f2a90c1b2d4".
    data : str
        Listings of the test.
    split : str
        Separation of the test from the training listings.
    is_leaking : bool
        Whether sellers are on both sides of the split; the page then warns in red.
    made_at : datetime
        Aware, in UTC; by default now.
    """

    model: str
    data: str
    split: str
    is_leaking: bool = False
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class ReportFacts:
    """Everything the page shows, measured by `model_report` and written by `render_report`.

    Attributes
    ----------
    champion : BaselineComparison or None
        The model against the champion on the same resamples.
    champion_figures : dict of str to Estimate
        Figures of the champion; empty without one.
    value_currency : str
        Currency of the values in `found`; "" without values.
    brands : tuple of BrandReliability
        The brands with most listings.
    robustness : Robustness or None
        Cost of attacks; None if none was tried.
    errors : ErrorSlices or None
        None if too few sellers have counterfeits.
    costs : CostCurve or None
        None if costs depend on prices and no price is known.
    """

    head: ReportHead
    evaluation: Evaluation
    champion: BaselineComparison | None
    champion_figures: Mapping[str, Estimate]
    found: tuple[FoundFirst, ...]
    value_currency: str
    curve: PrecisionRecall
    bins: Reliability
    brands: tuple[BrandReliability, ...]
    histogram: ScoreHistogram
    slices: tuple[Slice, ...]
    fairness: Fairness
    misjudged: tuple[Misjudged, ...]
    influence: SellerInfluence
    robustness: Robustness | None = None
    errors: ErrorSlices | None = None
    costs: CostCurve | None = None
    cost_unit: str = ""
    learning: LearningCurve | None = None

    @property
    def headline(self) -> tuple[str, str, str]:
        """The three sentences that matter."""
        return (
            say_how_good(self.evaluation, self.found),
            say_against_what(self.evaluation, self.champion),
            say_where_weak(self.slices, self.fairness),
        )

    @property
    def summary(self) -> str:
        """The main figures in a line without any text of sellers."""
        average = self.evaluation.figures[MODEL]["average_precision"]
        parts = [f"AP {average.value:.2f} ({average.low:.2f} to {average.high:.2f})"]
        if ratio := self.fairness.false_positive_ratio_new:
            parts.append(f"{ratio.value:.1f} times as many false alarms for new sellers")
        if self.head.is_leaking:
            parts.append("the split leaks")
        return ", ".join(parts)

    @property
    def worst_attacks(self) -> list[AttackCost]:
        """The attacks that cost most recall, the worst first."""
        costs = self.robustness.costs if self.robustness else ()
        return sorted(costs, key=lambda cost: -cost.recall_lost.value)[:_MOST_ATTACKS]

    @property
    def carriers(self) -> list[tuple[str, int, int, float, float]]:
        """The sellers without whom average precision changes most: listings, counterfeits, change and share."""
        of = self.influence
        rows = zip(of.sellers, of.listings, of.counterfeits, of.change, of.share, strict=True)
        return list(itertools.islice(rows, _MOST_SELLERS))

    @property
    def misses(self) -> dict[str, list[Misjudged]]:
        """The misjudged listings by label."""
        labels = {"genuine": False, "counterfeit": True}
        return {
            name: [wrong for wrong in self.misjudged if wrong.is_counterfeit is label] for name, label in labels.items()
        }

    @property
    def figures(self) -> dict[str, Mapping[str, Estimate]]:
        """Figures by scorer: the model, the champion where there is one, the baselines."""
        model, *baselines = self.evaluation.figures.items()
        champion = [("champion", self.champion_figures)] if self.champion_figures else []
        return dict([model, *champion, *baselines])
