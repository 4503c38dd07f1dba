"""Model comparison: the same measures of two models on the same listings, and whether they clearly differ.

Both models are measured on the same resamples of the sellers, so listings that are hard for both do not blur the
difference (the paired bootstrap; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.errors import Conflict
from ipml.model.evaluation.differences import MIN_SELLERS, SellerCount, estimate_differences, find_fewest_sellers
from ipml.model.evaluation.evaluation import KEY, MODEL, ReviewSample, TestedListings, align, draw_repeats
from ipml.model.evaluation.label_weights import find_label_probability, weigh_by_probability
from ipml.model.evaluation.metrics import (
    MEASURES_OF_PROBABILITY,
    Estimate,
    describe_unpriced,
    draw_named_values,
    estimate_of,
)
from ipml.model.evaluation.ranking import DEFAULT_RESAMPLING, Resampling
from ipml.model.evaluation.slices import SliceCounts, count_listings

K = 100  # as reviewers read by default, for value at k
COMPARED = ("average_precision", "recall_at_precision_0.9", "calibration_error", "brier")
LOWER_IS_BETTER = MEASURES_OF_PROBABILITY
BETTER, WORSE, UNDECIDED = "B clearly better", "B clearly worse", "cannot be told apart"


@dataclass(frozen=True, slots=True)
class ComparedMeasure:
    """One measure of both models, the difference B - A, and the seller count if it is too low for a verdict.

    >>> same = Estimate(0.7, 0.6, 0.8)
    >>> ComparedMeasure("average_precision", same, same, Estimate(0.0, -0.1, 0.1)).verdict
    'cannot be told apart'
    """

    measure: str
    a: Estimate
    b: Estimate
    difference: Estimate
    too_few: SellerCount | None = None

    @property
    def verdict(self) -> str:
        """The difference in words; undecided where its interval holds zero."""
        if self.too_few:
            return str(self.too_few)
        sign = -1 if self.measure in LOWER_IS_BETTER else 1
        if self.difference.low <= 0 <= self.difference.high:
            return UNDECIDED
        return BETTER if sign * self.difference.value > 0 else WORSE


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Comparison of two models.

    Attributes
    ----------
    counts : SliceCounts
        Counts of the listings compared.
    remarks : tuple of str
        Conditions of the comparison that a reader must know.
    """

    name_a: str
    name_b: str
    counts: SliceCounts
    measures: tuple[ComparedMeasure, ...]
    remarks: tuple[str, ...] = ()

    def __getitem__(self, measure: str) -> ComparedMeasure:
        """Return the comparison by one measure."""
        return next(compared for compared in self.measures if compared.measure == measure)

    def table(self) -> str:
        """Return the comparison as text for a terminal: a row per measure."""
        rows = [["", "A", "B", "B - A", ""]]
        rows += [
            [row.measure.replace("_", " "), str(row.a), str(row.b), row.difference.show("+"), row.verdict]
            for row in self.measures
        ]
        head = [f"A is {self.name_a}", f"B is {self.name_b}", str(self.counts), *self.remarks]
        return "\n\n".join(["\n".join(head), align(rows)])


def compare_tests(
    a: TestedListings,
    b: TestedListings,
    *,
    k: int = K,
    names: tuple[str, str] = ("A", "B"),
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> ModelComparison:
    """Compare two models on the listings of both tests.

    Parameters
    ----------
    a, b : TestedListings
        Scores of listings whose sellers the models had not seen; label probabilities and values are those of B.
    k : int, default=100
        Number of listings read, for value at k.
    names : tuple of str, default=("A", "B")

    Raises
    ------
    Conflict
        They share no counterfeit listing, or only those of a single seller.
    """
    rows_a, rows_b = _find_shared(a.listings, b.listings)
    listings, y = b.listings.iloc[rows_b], b.y[rows_b]
    n_sellers = listings["seller_id"].nunique()
    if not y.any() or n_sellers < 2:
        found = f"found {len(y):,} listings in both tests, {y.sum():,} counterfeit, of {n_sellers:,} sellers"
        expected = f"expected counterfeits of {MIN_SELLERS} sellers"
        raise Conflict("Cannot compare", f"{found}; {expected}", "Give labelled ones with --labelled.")
    remarks = []
    if len(y) < max(len(a.y), len(b.y)):
        remarks.append(f"These are in both tests; A's has {len(a.y):,} listings, B's {len(b.y):,}.")
    if changed := int((a.y[rows_a] != y).sum()):
        remarks.append(f"The truth of {changed:,} has changed between the tests; that of B's counts.")
    compared = compare_scores(
        y,
        [score[rows_a] for score in a.scores[MODEL]],
        [score[rows_b] for score in b.scores[MODEL]],
        listings,
        k=k,
        resampling=resampling,
    )
    return replace(compared, name_a=names[0], name_b=names[1], remarks=(*remarks, *compared.remarks))


def compare_scores(
    y: ArrayLike,
    scores_a: Sequence[ArrayLike],
    scores_b: Sequence[ArrayLike],
    listings: pd.DataFrame,
    *,
    k: int = K,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> ModelComparison:
    """Compare two models by their scores of the same listings.

    Parameters
    ----------
    scores_a, scores_b : sequence of array of shape (n_listings,)
        Probabilities, one array per repeat; a measure is averaged over the repeats.
    listings : DataFrame of shape (n_listings, …)
        With `seller_id`; weighted by `label_probability` where known, with value at k where prices are known (see
        `ipml.model.evaluation.metrics.add_values`).
    k : int, default=100
        Number of listings read, for value at k.
    resampling : Resampling
        Its weights are replaced by those of the listings.

    Raises
    ------
    UnmeasurableScores
        No counterfeit listing, fewer than two sellers, scores that are not probabilities.

    Examples
    --------
    >>> y, listings = [1, 0] * 6, pd.DataFrame({"seller_id": list("aabbccddeeff")})
    >>> compared = compare_scores(y, [[0.5] * 12], [[0.9, 0.1] * 6], listings)
    >>> print(compared["brier"].difference, compared["brier"].verdict)
    -0.240 (-0.240 to -0.240) B clearly better
    """
    truth, label_probability = np.asarray(y, dtype=float), find_label_probability(listings)
    weight = None if label_probability is None else weigh_by_probability(label_probability)
    fewest = find_fewest_sellers(truth, listings["seller_id"], weight)
    resampling = replace(resampling, weight=weight)
    draws_a, draws_b = (
        {
            **draw_repeats(truth, repeats, listings["seller_id"], COMPARED, resampling),
            **draw_named_values(truth, repeats, listings, [k], resampling),
        }
        for repeats in (scores_a, scores_b)
    )
    notes = [] if label_probability is None else [str(ReviewSample.of(truth, label_probability))]
    if no_value := describe_unpriced(truth, listings):
        notes.append(no_value)
    differences = estimate_differences({name: draws_b[name] - draws_a[name] for name in draws_a}, fewest.effective)
    too_few = fewest if fewest.is_too_few else None
    return ModelComparison(
        "A",
        "B",
        count_listings(truth, listings["seller_id"]),
        tuple(
            ComparedMeasure(
                measure, estimate_of(draws_a[measure]), estimate_of(draws_b[measure]), differences[measure], too_few
            )
            for measure in draws_a
        ),
        tuple(notes),
    )


def _find_shared(a: pd.DataFrame, b: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Return the positions of the shared listings in A and in B, in the order of B."""
    positions = [side[KEY].reset_index(drop=True).rename_axis("at").reset_index() for side in (b, a)]
    shared = positions[0].merge(positions[1], on=KEY, suffixes=("_b", "_a"), validate="one_to_one")
    return shared["at_a"].tolist(), shared["at_b"].tolist()
