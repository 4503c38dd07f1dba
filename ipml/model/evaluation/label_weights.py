"""Label weights: for labels that are no random sample, and for young labels that may not be final.

**Label probability.** People see the top of a ranking, and a random sample of the rest. Each label is weighted by one
over the probability with which a person came to see its listing (Horvitz and Thompson, 1952,
doi:10.1080/01621459.1952.10483446). The probability follows from what the listing shows, so a ranking can be learnt
without the weights. Shares, probabilities and figures of merit need them, since suspected listings are over-represented
among the reviewed.

**Maturity.** Counterfeits are found days or months after they were listed, so recent ones are missing. From the lags
between listing and label, per kind of label, follows the share of labels that has arrived by a certain age. Lags are
seen only for labels that have arrived, so long ones are missing among young listings: the share is the product-limit
estimate for truncated lags, in reverse time (Lagakos, Barraj and De Gruttola, 1988, doi:10.1093/biomet/75.3.515). It
needs no unlabelled listing, and holds for any number of listings of each age and any share of counterfeits.

A label counts by the share of the slower kind that has arrived at its age, over the share of its own kind: a genuine
listing of ten days counts a third if a third of the counterfeits are found within ten days. Both kinds are thus equally
complete at every age, no weight is above 1, and where hardly anything can be known nothing counts (weights by overlap;
Li, Morgan and Zaslavsky, 2018, doi:10.1080/01621459.2016.1260466).

Assumptions: the lags of a kind change neither with time nor with the features, and no label arrives later than the
oldest listings could show. A label without a moment counts as known at once, as everywhere in ipml. If counterfeits
have moments and genuine listings do not, the latter are genuine until found, and count by the odds of remaining so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ipml.errors import UnusableSetting
from ipml.model.evaluation.metrics import Estimate, estimate_of
from ipml.model.evaluation.ranking import Resampling, number_sellers, resampled_weights

Floats = NDArray[np.float64]


def find_label_probability(listings: pd.DataFrame) -> Floats | None:
    """Return the probability with which people came to see each listing, NaN where unknown; None without any."""
    if "label_probability" not in listings or listings["label_probability"].isna().all():
        return None
    return listings["label_probability"].to_numpy(dtype=np.float64, na_value=np.nan)


def weigh_labels(listings: pd.DataFrame) -> Floats:
    """Return the number of listings that each label represents; 1 without label probabilities."""
    probability = find_label_probability(listings)
    return np.ones(len(listings)) if probability is None else weigh_by_probability(probability)


def weigh_by_probability(probability: ArrayLike) -> Floats:
    """Return the number of listings that each label represents, shape (n_listings,).

    A weight above the mean one times the root of their number is cut to that, so that no single label decides (Ionides,
    2008, doi:10.1198/106186008X320456).

    Parameters
    ----------
    probability : array of shape (n_listings,)
        Above 0, at most 1; NaN where unknown, such as after a notice, counts as 1.

    Raises
    ------
    UnusableSetting
        A probability is 0 or less, or more than 1.
    """
    odds = np.nan_to_num(np.asarray(probability, dtype=np.float64), nan=1.0)
    is_wrong = (odds <= 0) | (odds > 1)
    if is_wrong.any():
        found = f"{odds[is_wrong][0]:g} of {int(is_wrong.sum()):,} labels"
        raise UnusableSetting("label_probability", found, "numbers above 0, up to 1")
    weight = 1.0 / odds
    return np.asarray(np.minimum(weight, weight.mean() * np.sqrt(len(weight))))


def effective_number(weight: Floats) -> float:
    """Return the number of labels of equal weight with the same information (Kish, 1965, "Survey Sampling")."""
    return float(weight.sum() ** 2 / (weight @ weight))


def count_by_probability(probability: ArrayLike) -> Floats:
    """Return label weights that add up to their effective number, shape (n_listings,)."""
    weight = weigh_by_probability(probability)
    return np.asarray(weight * (effective_number(weight) / weight.sum()))


Flags = NDArray[np.bool_]
FINAL_SHARE = 0.95
"""Labels are reported as final from the age at which this share of either kind has arrived."""


@dataclass(frozen=True, slots=True, eq=False)
class Lags:
    """Share of the labels of one kind that has arrived by an age.

    Attributes
    ----------
    days : array of shape (n_steps,)
        Ages in days at which the share rises.
    share : array of shape (n_steps,)
        The share from this age on, in 0-1; before the first it is 0, and the last is 1.
    """

    days: Floats
    share: Floats

    def arrived(self, age: ArrayLike) -> Floats:
        """Return the share that has arrived by each age in days; 1 where the age is unknown (NaN)."""
        return self.arrived_at(self.steps(age))

    def steps(self, age: ArrayLike) -> NDArray[np.intp]:
        """Return the number of `days` up to each age, as input of `arrived_at` for any shares."""
        return np.searchsorted(self.days, np.asarray(age, dtype=np.float64), side="right")

    def arrived_at(self, steps: NDArray[np.intp]) -> Floats:
        """Return the share that has arrived by the ages with these numbers of steps."""
        return np.concatenate([[0.0], self.share])[steps]

    def age_by(self, share: float) -> float:
        """Return the age in days by which the share has arrived."""
        return float(self.days[np.searchsorted(self.share, share)])


AT_ONCE = Lags(np.zeros(1), np.ones(1))


class _LagOrder:
    """Labels of one kind in the order of their lags, from which `Lags` follow under any weights.

    Lags longer than the root of all labels could have shown are left out: the estimate would depend on very few.

    Parameters
    ----------
    lag, age : array of shape (n_labels,)
        Days from listing to label, and to the moment at which the labels were read.

    Examples
    --------
    Of four listings of 40 days two were labelled after 5 days and two after 30; of four of 10 days, two are labelled
    yet:

    >>> lag, age = np.array([5.0, 5.0, 30.0, 30.0, 5.0, 5.0]), np.array([40.0, 40.0, 40.0, 40.0, 10.0, 10.0])
    >>> _LagOrder(lag, age).lags(np.ones(6)).arrived([10.0]).round(2)
    array([0.5])
    """

    def __init__(self, lag: Floats, age: Floats) -> None:
        fewest = int(np.ceil(np.sqrt(len(lag))))
        horizon = np.sort(age)[-fewest] if len(age) else 0.0
        kept = np.flatnonzero(lag <= horizon)
        self._by_lag, self._by_age = kept[np.argsort(lag[kept])], kept[np.argsort(age[kept])]
        lags, self.days = lag[self._by_lag], np.unique(lag[kept])
        self._first, self._behind = (np.searchsorted(lags, self.days, side) for side in ("left", "right"))
        self._younger = np.searchsorted(age[self._by_age], self.days)
        self._n_labels, self.horizon = len(lag), float(horizon)

    def lags(self, weight: Floats | None = None) -> Lags:
        """Return the product-limit estimate under the weights of the labels."""
        if not len(self.days):
            return AT_ONCE
        weight = np.ones(self._n_labels) if weight is None else weight
        by_lag, by_age = (np.concatenate([[0.0], np.cumsum(weight[rows])]) for rows in (self._by_lag, self._by_age))
        came = by_lag[self._behind] - by_lag[self._first]
        could = by_lag[self._behind] - by_age[self._younger]  # as late or sooner, and old enough for it to show
        before = 1.0 - np.divide(came, could, out=np.zeros_like(came), where=could > 0)
        return Lags(self.days, np.append(np.cumprod(before[:0:-1])[::-1], 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class _LabelAges:
    """Times of labels, as arrays of shape (n_labels,).

    Attributes
    ----------
    as_of : Timestamp
        The latest moment in the labels.
    age : array of float
        Days from the listing to that moment; NaN where unknown.
    lag : array of float
        Days from the listing to its label; NaN for a label without a moment.
    is_fake : array of bool
    """

    as_of: pd.Timestamp
    age: Floats
    lag: Floats
    is_fake: Flags

    @classmethod
    def of(cls, labelled: pd.DataFrame) -> Self | None:
        """Read labelled listings; None where no counterfeit's label has a moment.

        A listing counts from `observed_at`, unless most labels are older: then, and where that is missing, from
        `listed_at`. A moment shared by most labels of a kind is when they were written down, not when they became
        known.
        """
        if "labelled_at" not in labelled or labelled["labelled_at"].isna().all():
            return None
        is_fake = labelled["is_counterfeit"].to_numpy(dtype=bool)
        if not is_fake.any():
            return None
        came = _drop_stamps(labelled["labelled_at"], is_fake)
        start = _starts(labelled, came)
        lag = _days(came - start).clip(min=0.0)
        if np.isnan(lag[is_fake]).mean() > 0.5:
            return None
        as_of = pd.concat([start, came]).max()
        return cls(as_of, _days(as_of - start), lag, is_fake)


class Maturity:
    """Maturity of the labels of some listings, and the weights that follow from it.

    Attributes
    ----------
    is_provisional : bool
        Whether genuine listings without a moment are taken as genuine until found.
    weight : array of shape (n_labels,)
        In 0-1.
    """

    def __init__(self, ages: _LabelAges) -> None:
        self.ages = ages
        self._has_moment = ~np.isnan(ages.lag)
        kinds = [np.flatnonzero(is_kind & self._has_moment) for is_kind in (ages.is_fake, ~ages.is_fake)]
        self._orders = [(rows, _LagOrder(ages.lag[rows], ages.age[rows])) for rows in kinds]
        self.counterfeit, self.genuine = (self._learn(rows, order) for rows, order in self._orders)
        self.is_provisional = self._is_genuine_until_found()
        if self.is_provisional:
            self.genuine = AT_ONCE
        self._steps = [lags.steps(ages.age) for lags in (self.counterfeit, self.genuine)]
        self.weight = self._weigh(self.counterfeit, self.genuine)

    @classmethod
    def of(cls, labelled: pd.DataFrame) -> Self | None:
        """Learn it from labelled listings; None where all labels count in full, or nothing says when they came.

        Parameters
        ----------
        labelled : DataFrame of shape (n_labels, …)
            With `is_counterfeit`, and `labelled_at`, `observed_at` and `listed_at` where known.

        Examples
        --------
        Every fourth of 80 listings, one a day, is counterfeit and found after 20 days; the others are known at once:

        >>> listed = pd.Series(pd.date_range("2026-01-01", periods=80, tz="UTC"))
        >>> is_fake = pd.Series(np.arange(80) % 4 == 0)
        >>> labelled_at = listed + pd.to_timedelta(np.where(is_fake, 20, 0), unit="D")
        >>> labelled = pd.DataFrame({"listed_at": listed, "labelled_at": labelled_at, "is_counterfeit": is_fake})
        >>> labelled = labelled[labelled_at <= listed.max()]
        >>> maturity = Maturity.of(labelled)
        >>> float(labelled["is_counterfeit"].mean()), float(np.average(maturity.ages.is_fake, weights=maturity.weight))
        (0.2, 0.25)
        """
        ages = _LabelAges.of(labelled)
        maturity = None if ages is None else cls(ages)
        if maturity is None or (maturity.weight == 1).all() or not maturity._leaves_both():
            return None
        return maturity

    @property
    def final_days(self) -> float:
        """Age in days by which `FINAL_SHARE` of the labels of either kind have arrived; older ones are final."""
        return max(lags.age_by(FINAL_SHARE) for lags in (self.counterfeit, self.genuine))

    def prevalence(self, sellers: ArrayLike, days: float, n_resamples: int = 200, seed: int = 0) -> Estimate | None:
        """Return the share of counterfeits among the listings of the last days, found already or not.

        The interval covers both the sellers and the estimated lags. None where no such label counts.
        """
        is_young = self.ages.age <= days
        if not self.weight[is_young].any():
            return None
        is_fake = self.ages.is_fake[is_young]
        shares: list[float] = []
        for _, drawn in resampled_weights(number_sellers(sellers, len(is_young)), Resampling(n_resamples, seed)):
            for counts in drawn:
                found, cleared = (
                    AT_ONCE if learnt is AT_ONCE else order.lags(counts[rows])
                    for (rows, order), learnt in zip(self._orders, (self.counterfeit, self.genuine), strict=True)
                )
                weight = (self._weigh(found, cleared, counts) * counts)[is_young]
                if weight.any():
                    shares.append(float(weight[is_fake].sum() / weight.sum()))
        return estimate_of(np.array(shares))

    def describe(self, sellers: ArrayLike) -> str:
        """Return a sentence or two on the age of final labels, and on the treatment of the others."""
        half, days = self.counterfeit.age_by(0.5), self.final_days
        since = (self.ages.as_of - pd.Timedelta(days=days)).strftime("%Y-%m-%d")
        said = (
            f"half of the counterfeits are found within {half:,.0f} days; labels of listings since {since} "
            f"({days:,.0f} days) are not final"
        )
        is_young = self.ages.age <= days
        estimate = self.prevalence(sellers, days)
        if estimate is None:
            return f"{said}, and do not count"
        found = 100 * self.ages.is_fake[is_young].mean()
        if not found:  # resamples of none are none, and would say that there will be none for sure
            return f"{said}, and count by how many of their age have come; none of them is counterfeit so far"
        return (
            f"{said}, and count by how many of their age have come: {found:.1f} % are counterfeit so far, and "
            f"{100 * estimate.value:.1f} % ({100 * estimate.low:.1f} to {100 * estimate.high:.1f}) likely in the end"
        )

    def _learn(self, rows: NDArray[np.intp], order: _LagOrder) -> Lags:
        """Return the lags of a kind; at once if they would make most of its labels impossible."""
        lags = order.lags()
        return lags if 2 * np.count_nonzero(lags.arrived(self.ages.age[rows])) >= len(rows) else AT_ONCE

    def _is_genuine_until_found(self) -> bool:
        """Return whether young genuine listings mostly have no moment, though counterfeits do."""
        unfound = 1.0 - self.counterfeit.arrived(self.ages.age)
        is_genuine = ~self.ages.is_fake
        return bool(unfound[is_genuine & ~self._has_moment].sum() > unfound[is_genuine & self._has_moment].sum())

    def _weigh(self, counterfeit: Lags, genuine: Lags, counts: Floats | None = None) -> Floats:
        """Return the weight of each label; `counts` gives how often each occurs."""
        age, is_fake = self.ages.age, self.ages.is_fake
        found, cleared = counterfeit.arrived_at(self._steps[0]), genuine.arrived_at(self._steps[1])
        own = np.where(self._has_moment, np.where(is_fake, found, cleared), 1.0)
        weight = np.divide(np.minimum(found, cleared), own, out=np.zeros_like(own), where=own > 0)
        if self.is_provisional:
            counts = np.ones(len(age)) if counts is None else counts
            prevalence = min(float(counts @ is_fake) / max(float(counts @ found), 1.0), 1.0)
            stays = (1.0 - prevalence) / np.maximum(1.0 - prevalence * found, 1e-12)
            weight = np.where(is_fake | self._has_moment, weight, weight * stays)
        return weight

    def _leaves_both(self) -> bool:
        """Return whether both kinds still count."""
        return all((self.weight * is_kind).any() for is_kind in (self.ages.is_fake, ~self.ages.is_fake))


def _drop_stamps(labelled_at: pd.Series[pd.Timestamp], is_fake: Flags) -> pd.Series[pd.Timestamp]:
    """Return when labels became known, missing where most labels of the kind have the same moment."""
    for is_kind in (is_fake, ~is_fake):
        moments, n_labels = labelled_at[is_kind].value_counts(), int(is_kind.sum())
        if len(moments) and n_labels > 1 and int(moments.iloc[0]) > n_labels / 2:
            labelled_at = labelled_at.mask(is_kind & (labelled_at == moments.index[0]).to_numpy())
    return labelled_at


def _days(spans: pd.Series[pd.Timedelta]) -> Floats:
    return np.asarray(spans.dt.total_seconds().to_numpy(dtype=np.float64) / 86_400)


def _starts(labelled: pd.DataFrame, came: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
    """Return the moment from which each listing counts; see `_LabelAges.of`."""
    unknown = pd.Series(pd.NaT, index=labelled.index, dtype=came.dtype)
    observed, listed = (labelled.get(name, unknown) for name in ("observed_at", "listed_at"))
    is_both = observed.notna() & came.notna()
    if int((came < observed)[is_both].sum()) > int(is_both.sum()) / 2:
        return listed.fillna(observed)
    return observed.fillna(listed)
