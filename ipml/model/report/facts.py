"""What a report on a model states, before it is written down as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ipml.model.evaluation import Comparison, Evaluation
from ipml.model.metrics import Estimate
from ipml.model.report.curve_points import PrecisionRecall, Reliability, ScoreHistogram
from ipml.model.report.found_first import FoundFirst
from ipml.model.report.headline import say_against_what, say_how_good, say_where_weak
from ipml.model.report.misjudged import Misjudged
from ipml.model.robustness import AttackCost, Robustness
from ipml.model.slices import Fairness, Slice
from ipml.model.slices.brand_reliability import BrandReliability

_MOST_ATTACKS = 15


@dataclass(frozen=True)
class ReportHead:
    """What a report is about.

    Attributes
    ----------
    model : str
        Name and version: "ipml-goods/3f2a90c1b2d4".
    data : str
        Which listings it was tested on.
    split : str
        How they were kept apart from those it learnt from.
    is_leaking : bool
        Whether sellers stand on both sides of the split; the page then says so in red.
    made_at : datetime
        Aware, in UTC; now where not given.
    """

    model: str
    data: str
    split: str
    is_leaking: bool = False
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class ReportFacts:
    """Everything the page shows; `model_report` works it out, `render_report` writes it down.

    Attributes
    ----------
    head : ReportHead
    evaluation : Evaluation
    champion : Comparison or None
        The model against the champion on the same resamples.
    champion_figures : dict of str to Estimate
        The champion's own figures; empty without one.
    found : tuple of FoundFirst
    value_currency : str
        Of the values in `found`; "" where there are none.
    curve, bins, histogram : PrecisionRecall, Reliability, ScoreHistogram
    brands : tuple of BrandReliability
        The brands with most listings.
    slices : tuple of Slice
    fairness : Fairness
    misjudged : tuple of Misjudged
    robustness : Robustness or None
        What attacks cost; None where none were tried.
    """

    head: ReportHead
    evaluation: Evaluation
    champion: Comparison | None
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
    robustness: Robustness | None = None

    @property
    def headline(self) -> tuple[str, str, str]:
        """The three sentences that matter."""
        return (
            say_how_good(self.evaluation, self.found),
            say_against_what(self.evaluation, self.champion),
            say_where_weak(self.slices, self.fairness),
        )

    @property
    def worst_attacks(self) -> list[AttackCost]:
        """The attacks that cost most recall, the worst first."""
        costs = self.robustness.costs if self.robustness else ()
        return sorted(costs, key=lambda cost: -cost.recall_lost.value)[:_MOST_ATTACKS]

    @property
    def misses(self) -> dict[str, list[Misjudged]]:
        """The misjudged listings by what they are labelled."""
        return {
            "genuine": [wrong for wrong in self.misjudged if not wrong.is_counterfeit],
            "counterfeit": [wrong for wrong in self.misjudged if wrong.is_counterfeit],
        }

    @property
    def figures(self) -> dict[str, Mapping[str, Estimate]]:
        """Figures by scorer: the model, the champion where there is one, the baselines."""
        model, *baselines = self.evaluation.figures.items()
        champion = [("champion", self.champion_figures)] if self.champion_figures else []
        return dict([model, *champion, *baselines])
