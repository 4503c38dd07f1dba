"""Model A against model B: the same measures on the same listings, and whether the difference is more than chance.

Both models are measured on the same resamples of the sellers, so that what is hard for both does not blur the
difference (the paired bootstrap; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ipml.errors import DifferentTests
from ipml.model.evaluation import MODEL
from ipml.model.metrics import MEASURES_OF_PROBABILITY, Estimate, estimate_of, resample_all
from ipml.model.ranking import Floats
from ipml.model.slices import Counts
from ipml.model.tested import KEY, Tested
from ipml.model.text_table import align

COMPARED = ("average_precision", "recall_at_precision_0.9", "calibration_error", "brier")
LOWER_IS_BETTER = MEASURES_OF_PROBABILITY
MIN_COUNTERFEITS = 5  # with fewer, most resamples of the sellers hold the same few
BETTER, WORSE, UNDECIDED = "B clearly better", "B clearly worse", "cannot be told apart"


@dataclass(frozen=True, slots=True)
class ComparedMeasure:
    """One measure of both models, and by how much it is greater for B.

    Examples
    --------
    >>> same = Estimate(0.7, 0.6, 0.8)
    >>> ComparedMeasure("average_precision", same, same, Estimate(0.0, -0.1, 0.1)).verdict
    'cannot be told apart'
    """

    measure: str
    a: Estimate
    b: Estimate
    difference: Estimate

    @property
    def verdict(self) -> str:
        """What the difference says in words; where its interval holds zero, nothing."""
        sign = -1 if self.measure in LOWER_IS_BETTER else 1
        if self.difference.low <= 0 <= self.difference.high:
            return UNDECIDED
        return BETTER if sign * self.difference.value > 0 else WORSE


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """What tells two models apart.

    Attributes
    ----------
    name_a, name_b : str
        The models.
    counts : Counts
        On what they were compared.
    measures : tuple of ComparedMeasure
    remarks : tuple of str
        What one has to know to believe it.
    """

    name_a: str
    name_b: str
    counts: Counts
    measures: tuple[ComparedMeasure, ...]
    remarks: tuple[str, ...] = ()

    def __getitem__(self, measure: str) -> ComparedMeasure:
        """Return the comparison by one measure."""
        return next(compared for compared in self.measures if compared.measure == measure)

    def table(self) -> str:
        """Return the comparison as text for a terminal: a row per measure."""
        rows = [["", "A", "B", "B - A", ""]]
        rows += [
            [row.measure.replace("_", " "), str(row.a), str(row.b), _signed(row.difference), row.verdict]
            for row in self.measures
        ]
        head = [f"A is {self.name_a}", f"B is {self.name_b}", str(self.counts), *self.remarks]
        return "\n\n".join(["\n".join(head), align(rows)])


def compare_tests(
    a: Tested, b: Tested, *, names: tuple[str, str] = ("A", "B"), n_resamples: int = 500, seed: int = 0
) -> ModelComparison:
    """Compare two models on the listings that both were tested on.

    Parameters
    ----------
    a, b : Tested
        Scores of listings whose sellers the models had not seen.
    names : tuple of str, default=("A", "B")
        What the models are called.
    n_resamples : int, default=500
        Resamples of the sellers, for the intervals.
    seed : int, default=0
        Seed of the resamples.

    Raises
    ------
    DifferentTests
        They share too few listings, counterfeits or sellers.

    Examples
    --------
    >>> listings = pd.DataFrame({"listing_id": list("1234"), "seller_id": list("aabb"), "observed_at": pd.NaT})
    >>> y = np.array([True, False] * 2)
    >>> compare_tests(Tested(listings, y, {MODEL: [y * 0.9]}), Tested(listings, y, {MODEL: [y * 0.5]}))
    Traceback (most recent call last):
    ipml.errors.DifferentTests: Cannot compare: found 4 listings in both tests, 2 counterfeit, of 2 sellers; ...
    """
    rows_a, rows_b = _find_shared(a.listings, b.listings)
    listings, y = b.listings.iloc[rows_b], b.y[rows_b]
    n_sellers = listings["seller_id"].nunique()
    if y.sum() < MIN_COUNTERFEITS or n_sellers < 2:
        found = f"{len(y):,} listings in both tests, {y.sum():,} counterfeit, of {n_sellers:,} sellers"
        raise DifferentTests(found, f"at least {MIN_COUNTERFEITS} counterfeit and 2 sellers")
    remarks = []
    if len(y) < max(len(a.y), len(b.y)):
        remarks.append(f"These are in both tests; A's has {len(a.y):,} listings, B's {len(b.y):,}.")
    if changed := int((a.y[rows_a] != y).sum()):
        remarks.append(f"The truth of {changed:,} has changed between the tests; that of B's counts.")
    return compare_scores(
        y,
        [score[rows_a] for score in a.scores[MODEL]],
        [score[rows_b] for score in b.scores[MODEL]],
        listings["seller_id"],
        names=names,
        remarks=remarks,
        n_resamples=n_resamples,
        seed=seed,
    )


def compare_scores(
    y: ArrayLike,
    scores_a: Sequence[ArrayLike],
    scores_b: Sequence[ArrayLike],
    sellers: ArrayLike,
    *,
    names: tuple[str, str] = ("A", "B"),
    remarks: Sequence[str] = (),
    n_resamples: int = 500,
    seed: int = 0,
) -> ModelComparison:
    """Compare two models by their scores of the same listings.

    Parameters
    ----------
    y : array of shape (n_listings,)
        True or 1 where the listing is counterfeit.
    scores_a, scores_b : sequence of array of shape (n_listings,)
        Probabilities, once per repeat; a measure is averaged over the repeats.
    sellers : array of shape (n_listings,)
        Who offers each listing.
    names, remarks
        For the table.

    Raises
    ------
    UnmeasurableScores
        No counterfeit listing, fewer than two sellers, scores that are not probabilities.

    Examples
    --------
    >>> y, sellers = [1, 0, 1, 0], list("aabb")
    >>> compared = compare_scores(y, [[0.5] * 4], [[0.9, 0.1, 0.9, 0.1]], sellers)
    >>> print(compared["brier"].difference, compared["brier"].verdict)
    -0.240 (-0.240 to -0.240) B clearly better
    """
    truth = np.asarray(y, dtype=float)
    draws_a, draws_b = (_average_draws(truth, repeats, sellers, n_resamples, seed) for repeats in (scores_a, scores_b))
    return ModelComparison(
        *names,
        Counts(len(truth), int(truth.sum()), len(np.unique(np.asarray(sellers, dtype=object)))),
        tuple(
            ComparedMeasure(
                measure,
                estimate_of(draws_a[measure]),
                estimate_of(draws_b[measure]),
                estimate_of(draws_b[measure] - draws_a[measure]),
            )
            for measure in COMPARED
        ),
        tuple(remarks),
    )


def _average_draws(
    y: Floats, scores: Sequence[ArrayLike], sellers: ArrayLike, n_resamples: int, seed: int
) -> dict[str, Floats]:
    repeats = [
        resample_all(y, score, sellers, measures=COMPARED, n_resamples=n_resamples, seed=seed) for score in scores
    ]
    return {measure: np.mean([draws[measure] for draws in repeats], axis=0) for measure in COMPARED}


def _find_shared(a: pd.DataFrame, b: pd.DataFrame) -> tuple[list[int], list[int]]:
    """Return where the listings that are in both stand in each, in the order of B."""
    positions = [side[KEY].reset_index(drop=True).rename_axis("at").reset_index() for side in (b, a)]
    shared = positions[0].merge(positions[1], on=KEY, suffixes=("_b", "_a"), validate="one_to_one")
    return shared["at_a"].tolist(), shared["at_b"].tolist()


def _signed(difference: Estimate) -> str:
    return f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"
