"""Fairness: compares false alarms between kinds of sellers, and predicted with observed counterfeits by brand.

A false alarm costs an honest seller a listing. Sellers (small, new, by script and country) are therefore compared by
the false-positive rate: the share of genuine listings that reach the threshold. A single brand has too few listings for
a reliability curve, so the sum of its scores is compared with its counterfeits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import UnmeasurableScores
from ipml.model.evaluation.metrics import Estimate, estimate_of
from ipml.model.evaluation.ranking import DEFAULT_RESAMPLING, Floats, Resampling, check_scores, resample_sums
from ipml.model.evaluation.slices import scripts_of, seller_sizes

SMALL_SELLER_LISTINGS = 10
NEW_SELLER_DAYS = 90
MIN_GENUINE = 30
MIN_SELLERS = 10
SELLER_SIZE, SELLER_AGE = "seller size", "seller age"
SMALL, NEW = f"fewer than {SMALL_SELLER_LISTINGS} listings", f"under {NEW_SELLER_DAYS} days"


@dataclass(frozen=True, slots=True)
class FairnessRow:
    """False alarms of one group of sellers and of all others.

    Attributes
    ----------
    column, value : str
        The group, such as "seller size" and "fewer than 10 listings".
    genuine, sellers : int
        Genuine listings of the group, and their sellers.
    false_positive_rate : Estimate
        Share of the group's genuine listings that are flagged, in 0-1.
    other_rate : float
        The same over all other listings with a value in the column.
    ratio : Estimate
        Rate of the group over rate of the others, half a false alarm added to each (after Haldane, 1956,
        doi:10.1111/j.1469-1809.1955.tb01285.x), so that a rate of zero has a ratio too.
    """

    column: str
    value: str
    genuine: int
    sellers: int
    false_positive_rate: Estimate
    other_rate: float
    ratio: Estimate

    @property
    def is_unfair(self) -> bool:
        """Whether the group is clearly flagged more often: the whole interval of the ratio lies above 1."""
        return self.ratio.low > 1


@dataclass(frozen=True, slots=True)
class Fairness:
    """False alarms by kind of seller, at one threshold."""

    threshold: float
    rows: tuple[FairnessRow, ...]

    @property
    def false_positive_ratio_small(self) -> Estimate | None:
        """False-positive rate of small sellers over that of the others; None if not compared."""
        return self._ratio(SELLER_SIZE, SMALL)

    @property
    def false_positive_ratio_new(self) -> Estimate | None:
        """False-positive rate of new sellers over that of the others; None if not compared."""
        return self._ratio(SELLER_AGE, NEW)

    def _ratio(self, column: str, value: str) -> Estimate | None:
        ratios = (row.ratio for row in self.rows if (row.column, row.value) == (column, value))
        return next(ratios, None)


def seller_fairness(
    y: ArrayLike,
    score: ArrayLike,
    listings: pd.DataFrame,
    threshold: float,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> Fairness:
    """Compare the false-positive rates of kinds of sellers.

    Small sellers (fewer than 10 listings), new ones (under 90 days), each script and each country are compared with all
    others. A group is left out if it or the others have fewer than 30 genuine listings or 10 sellers of them.

    Parameters
    ----------
    score : array of shape (n_listings,)
        From a model that had not learnt from the sellers.
    listings : DataFrame of shape (n_listings, …)
        With `seller_id`; `seller_listings`, `seller_age_days`, `title`, `description` and `country` where known.
    threshold : float
        Lowest score that is flagged.
    resampling : Resampling
        With weights as `count_by_probability` returns them.

    Raises
    ------
    UnmeasurableScores
        No counterfeit, scores that are not finite, or a listing without a seller.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": [f"s{i % 40}" for i in range(400)], "country": ["DE", "FR"] * 200})
    >>> y, score = [0, 0, 0, 0, 1] * 80, [0.9, 0.1, 0.1, 0.1] * 100
    >>> fairness = seller_fairness(y, score, listings, 0.5, Resampling(100))
    >>> [(row.value, row.false_positive_rate.value, row.is_unfair) for row in fairness.rows]
    [('DE', 0.5, True), ('FR', 0.0, False)]
    """
    truth, scores = check_scores(y, score, are_probabilities=False)
    if len(listings) != len(truth):
        raise UnmeasurableScores(f"{len(listings)} listings, {len(truth)} scores", "a score per listing")
    is_genuine = truth == 0
    counts = np.ones_like(scores) if resampling.weight is None else np.asarray(resampling.weight, dtype=float)
    counted = np.column_stack([counts * (scores >= threshold), counts])
    rows = [_compare(group, is_genuine, counted, listings["seller_id"], resampling) for group in _groups(listings)]
    return Fairness(threshold, tuple(row for row in rows if row is not None))


class _Group(NamedTuple):
    """Sellers of one kind: their listings, and all listings with a value in the column."""

    column: str
    value: str
    is_member: NDArray[np.bool_]
    is_known: NDArray[np.bool_]


def _groups(listings: pd.DataFrame) -> Iterator[_Group]:
    sizes = seller_sizes(listings)
    yield _Group(SELLER_SIZE, SMALL, (sizes < SMALL_SELLER_LISTINGS).to_numpy(), sizes.notna().to_numpy())
    if "seller_age_days" in listings:
        ages = listings["seller_age_days"]
        yield _Group(SELLER_AGE, NEW, (ages < NEW_SELLER_DAYS).to_numpy(), ages.notna().to_numpy())
    by_name = {"script": scripts_of(listings)} if "title" in listings else {}
    if "country" in listings:
        by_name["country"] = listings["country"]
    for column, values in by_name.items():
        for value in values.value_counts().index:
            yield _Group(column, str(value), (values == value).to_numpy(dtype=bool), values.notna().to_numpy())


def _compare(
    group: _Group, is_genuine: NDArray[np.bool_], counted: Floats, sellers: pd.Series[str], resampling: Resampling
) -> FairnessRow | None:
    is_compared = group.is_known & is_genuine
    sides = is_compared & group.is_member, is_compared & ~group.is_member
    if any(side.sum() < MIN_GENUINE or sellers[side].nunique() < MIN_SELLERS for side in sides):
        return None
    of_sides = np.column_stack([counted * side[:, np.newaxis] for side in sides])
    alarms, genuine, other_alarms, others = resample_sums(of_sides, sellers, resampling).T
    rate, other_rate = _share(alarms, genuine), _share(other_alarms, others)
    ratio = _share(alarms + 0.5, genuine) / _share(other_alarms + 0.5, others)
    return FairnessRow(
        column=group.column,
        value=group.value,
        genuine=int(genuine[0]),
        sellers=int(sellers[sides[0]].nunique()),
        false_positive_rate=estimate_of(rate),
        other_rate=float(other_rate[0]),
        ratio=estimate_of(ratio),
    )


def _share(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


MIN_LISTINGS = 30
MIN_COUNTERFEITS = 5
MOST_BRANDS = 12


@dataclass(frozen=True, slots=True)
class BrandReliability:
    """Predicted and observed counterfeits of one brand.

    Attributes
    ----------
    predicted : float
        Weighted sum of the scores of its listings.
    observed : float
        Weighted number of its counterfeits.
    surplus : Estimate
        Share of its listings that are counterfeit, less the predicted share.
    """

    brand: str
    listings: int
    sellers: int
    predicted: float
    observed: float
    surplus: Estimate

    @property
    def is_off(self) -> bool:
        """Whether predicted and observed clearly differ: zero is outside the interval.

        Never with fewer than 5 counterfeits both predicted and observed: without any counterfeit, no resample has one
        either, and the interval is too narrow.
        """
        is_outside = self.surplus.low > 0 or self.surplus.high < 0
        return is_outside and max(self.predicted, self.observed) >= MIN_COUNTERFEITS


def reliability_by_brand(
    y: ArrayLike,
    score: ArrayLike,
    listings: pd.DataFrame,
    resampling: Resampling = DEFAULT_RESAMPLING,
) -> tuple[BrandReliability, ...]:
    """Compare predicted and observed counterfeits of the 12 brands with most listings, the largest first.

    Brands with fewer than 30 listings or 10 sellers are left out. Without a column `brand` the result is empty.

    Parameters
    ----------
    y, score : array of shape (n_listings,)
        Truth (0 or 1) and probability.
    listings : DataFrame of shape (n_listings, …)
    resampling : Resampling
        With weights as `count_by_probability` returns them.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": [f"s{i % 20}" for i in range(40)], "brand": "Acme"})
    >>> acme, = reliability_by_brand([1, 0] * 20, [0.75, 0.0] * 20, listings, Resampling(50))
    >>> acme.predicted, acme.observed, acme.surplus.value, acme.is_off
    (15.0, 20.0, 0.125, True)
    """
    truth, scores = check_scores(y, score)
    if "brand" not in listings:
        return ()
    counts = np.ones_like(truth) if resampling.weight is None else np.asarray(resampling.weight, dtype=float)
    compared = []
    for brand, rows in listings.reset_index(drop=True).groupby("brand").indices.items():
        sellers = listings["seller_id"].iloc[rows]
        if len(rows) < MIN_LISTINGS or sellers.nunique() < MIN_SELLERS:
            continue
        columns = counts[rows, np.newaxis] * np.column_stack([truth[rows], scores[rows], np.ones(len(rows))])
        observed, predicted, there = resample_sums(columns, sellers, resampling).T
        surplus = estimate_of((observed - predicted) / there)
        compared.append(
            BrandReliability(str(brand), len(rows), sellers.nunique(), float(predicted[0]), float(observed[0]), surplus)
        )
    return tuple(sorted(compared, key=lambda part: -part.listings)[:MOST_BRANDS])
