"""How much a model still finds when sellers rewrite, re-price and launder: what each attack costs.

The threshold is the operator's: the lowest at which untouched listings are found with the precision asked for. Then all
counterfeits are attacked in one way, and what is left above the threshold is counted. Whoever measures over folds
pools the scores of `ipml.model.attacks.scores` and hands them to `robustness_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import TypeAdapter

from ipml.errors import UnmeasurableScores
from ipml.model.attacks import Attack, score_attacks
from ipml.model.attacks.attacks import Targets
from ipml.model.attacks.scores import ATTACKS, Classifier, score_by_seller
from ipml.model.metrics import Estimate, estimate_of
from ipml.model.ranking import Floats, check_scores, measure_named, rank_once
from ipml.model.resampling import resample_rankings
from ipml.model.text_table import align

OWN = "own"
_average_precision = measure_named("average_precision")


@dataclass(frozen=True, slots=True)
class AttackCost:
    """What one attack leaves of a model's finds.

    Attributes
    ----------
    name, kind : str
        The family or scenario; the kind is "own" for an attack that is not among ours.
    is_lossless : bool
        Whether a reader still reads every word as it was.
    recall : Estimate
        Share of the attacked counterfeits from the threshold on.
    recall_lost : Estimate
        By how much that is below the share of the untouched; negative where the attack gives itself away.
    average_precision_kept : Estimate
        Average precision with all counterfeits attacked, divided by that without.
    """

    name: str
    kind: str
    is_lossless: bool
    recall: Estimate
    recall_lost: Estimate
    average_precision_kept: Estimate


@dataclass(frozen=True, slots=True)
class Robustness:
    """What every attack costs, with 95 % intervals over sellers.

    Attributes
    ----------
    threshold : float
        Score from which a listing counts as found.
    precision : float
        What was asked of the untouched listings at that threshold.
    recall, average_precision : Estimate
        Of the untouched listings.
    costs : tuple of AttackCost
        In the order in which the attacks were given.
    """

    threshold: float
    precision: float
    recall: Estimate
    average_precision: Estimate
    costs: tuple[AttackCost, ...]

    @property
    def worst(self) -> AttackCost:
        """The attack that costs most recall."""
        return max(self.costs, key=lambda cost: cost.recall_lost.value)

    @property
    def mean_recall_lost(self) -> float:
        """Mean loss of recall over all attacks."""
        return float(np.mean([cost.recall_lost.value for cost in self.costs]))

    @property
    def lossless(self) -> Robustness:
        """The same of the attacks alone that a reader does not notice."""
        return Robustness(
            self.threshold,
            self.precision,
            self.recall,
            self.average_precision,
            tuple(cost for cost in self.costs if cost.is_lossless),
        )

    def table(self) -> str:
        """Return the costs as text for a terminal, the worst first."""
        worst_first = sorted(self.costs, key=lambda cost: -cost.recall_lost.value)
        return align([["attack", "kind", "lossless", "recall", "recall lost", "AP kept"], *map(_row, worst_first)])

    def summary(self) -> str:
        """Return in a few lines what the table rests on, the mean and the worst."""
        lines = [
            f"untouched: recall {self.recall} at precision {self.precision}, threshold {self.threshold:.4f}; "
            f"average precision {self.average_precision}"
        ]
        for name, part in (("all", self), ("lossless", self.lossless)):
            if part.costs:
                lines.append(
                    f"{name}, {len(part.costs)} attacks: {part.mean_recall_lost:.3f} of recall lost on average, "
                    f"{part.worst.recall_lost.value:.3f} by the worst, {part.worst.name}"
                )
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return everything as JSON, from which `from_json` makes it again."""
        return _JSON.dump_json(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str) -> Robustness:
        """Read what `to_json` wrote."""
        return _JSON.validate_json(text)


_JSON = TypeAdapter(Robustness)


def measure_robustness(
    classifier: Classifier,
    listings: pd.DataFrame,
    y: ArrayLike,
    *,
    families: Iterable[Attack] = tuple(ATTACKS.values()),
    targets: Targets = "all",
    precision: float = 0.8,
    n_resamples: int = 500,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Robustness:
    """Attack the counterfeits among some listings in every way, and say what each costs.

    Parameters
    ----------
    classifier, listings, y, families, targets, say
        As for `ipml.model.attacks.scores.score_attacks`.
    precision : float, default=0.8
        What the operator asks of the untouched listings.
    n_resamples, seed : int
        As for `ipml.model.metrics.estimate_all`; the seed is also that of the attacks.

    Raises
    ------
    UnmeasurableScores
        No counterfeit, a single seller, or no threshold with that precision.
    """
    clean = score_by_seller(classifier, listings)
    threshold_at_precision(y, clean, precision)  # known before the long part begins
    attacked = dict(
        score_attacks(classifier, listings, y, families=families, targets=targets, seed=seed, clean=clean, say=say)
    )
    sellers = listings["seller_id"]
    return robustness_of(y, clean, attacked, sellers=sellers, precision=precision, n_resamples=n_resamples, seed=seed)


def robustness_of(
    y: ArrayLike,
    clean: ArrayLike,
    attacked: Mapping[str, ArrayLike],
    *,
    sellers: ArrayLike,
    weight: ArrayLike | None = None,
    precision: float = 0.8,
    n_resamples: int = 500,
    seed: int = 0,
) -> Robustness:
    """Say what attacks cost, from the scores before and after.

    Parameters
    ----------
    y : array of shape (n_listings,)
        True or 1 where the listing is counterfeit.
    clean : array of shape (n_listings,)
        Scores of the untouched listings. A listing that a scorer does not judge is not found: give it 0.
    attacked : mapping of str to array of shape (n_listings,)
        Scores of all listings after each attack hit all counterfeits.
    sellers : array of shape (n_listings,)
        Who offers each listing, before any attack.
    weight : array of shape (n_listings,), optional
        For how many listings each one stands; once where none is given.
    precision : float, default=0.8
    n_resamples, seed : int
        As for `ipml.model.metrics.estimate_all`. The threshold stays the same on every resample.

    Raises
    ------
    UnmeasurableScores
        As for `measure_robustness`.

    Examples
    --------
    >>> y, clean = [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2]
    >>> robustness = robustness_of(y, clean, {"leet digits": [0.9, 0.1, 0.3, 0.2]}, sellers=list("abcd"))
    >>> robustness.threshold, robustness.worst.recall.value, robustness.worst.average_precision_kept.value
    (0.8, 0.5, 1.0)
    """
    threshold = threshold_at_precision(y, clean, precision, weight)

    def draw(score: ArrayLike) -> tuple[Floats, Floats]:
        recall, average_precision = np.full((2, 1 + n_resamples), np.nan)
        for numbers, ranking in resample_rankings(y, score, sellers, weight=weight, n_resamples=n_resamples, seed=seed):
            above = np.flatnonzero(ranking.scores >= threshold)
            recall[numbers] = ranking.recall[:, above[-1]] if len(above) else 0.0
            average_precision[numbers] = _average_precision(ranking)
        return recall, average_precision

    recall, average_precision = draw(clean)
    costs = []
    for name, score in attacked.items():
        recall_after, average_precision_after = draw(score)
        costs.append(
            AttackCost(
                name=name,
                kind=ATTACKS[name].kind if name in ATTACKS else OWN,
                is_lossless=name in ATTACKS and ATTACKS[name].is_lossless,
                recall=estimate_of(recall_after),
                recall_lost=estimate_of(recall - recall_after),
                average_precision_kept=estimate_of(average_precision_after / average_precision),
            )
        )
    return Robustness(threshold, precision, estimate_of(recall), estimate_of(average_precision), tuple(costs))


def threshold_at_precision(
    y: ArrayLike, score: ArrayLike, precision: float = 0.8, weight: ArrayLike | None = None
) -> float:
    """Return the lowest score from which on listings are counterfeit with at least this precision.

    Raises
    ------
    UnmeasurableScores
        No threshold is that precise.

    Examples
    --------
    >>> threshold_at_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1], precision=0.6)
    0.7
    """
    counts = None if weight is None else np.asarray(weight, dtype=float)
    ranking = rank_once(*check_scores(y, score, are_probabilities=False), counts)
    precise = np.flatnonzero(ranking.precision[0] >= precision)
    if len(precise) == 0:
        raise UnmeasurableScores(f"a precision of {ranking.precision.max():.2f} at most", f"{precision} or more")
    return float(ranking.scores[precise[-1]])


def _row(cost: AttackCost) -> list[str]:
    estimates = map(str, (cost.recall, cost.recall_lost, cost.average_precision_kept))
    return [cost.name, cost.kind, "yes" if cost.is_lossless else "no", *estimates]
