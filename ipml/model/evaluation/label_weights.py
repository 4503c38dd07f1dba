"""What labels count for that are no random sample, and what young ones count for that may not be final.

**Odds.** People see what a score puts before them, and a draw from the rest. Each label counts as often as there are
listings like it: one over the probability with which a person came to see its listing (Horvitz and Thompson, 1952,
doi:10.1080/01621459.1952.10483446). The odds follow from what the listing shows, so what orders listings can be learnt
without them; but shares, probabilities and figures of merit need them, since among the reviewed the share of
counterfeits is that of what was suspected.

**Maturity.** Counterfeits are found days or months after they were listed, so young ones are missing. Of each kind of
label the lag from listing to label is learnt, and from it the share of labels that has come by a certain age. Lags are
seen only where the label has come, so long ones are missing among young listings: the share is the product-limit
estimate for truncated lags, in reverse time (Lagakos, Barraj and De Gruttola, 1988, doi:10.1093/biomet/75.3.515). It
needs no listing without a label, and holds however many listings there are of each age and however common counterfeits
are among them.

A label then counts by the share of the slower kind that has come at its age, over the share of its own kind: a genuine
listing of ten days counts a third if a third of the counterfeits are found within ten days. Both kinds are thus as
complete as each other at every age, no weight is above 1, and where hardly anything can be known nothing counts; these
are weights by overlap (Li, Morgan and Zaslavsky, 2018, doi:10.1080/01621459.2016.1260466).

Assumed is that the lags of a kind do not change with time, nor with what is learnt from, and that no label comes later
than the oldest listings could show. A label that does not say when it became known was known at once, as everywhere in
ipml; but where counterfeits say when and genuine listings do not, these are taken as genuine until found, and count by
the odds that they will stay so.
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
    """Return with what probability people came to see listings, NaN where unknown; None where no listing says so."""
    if "label_probability" not in listings or listings["label_probability"].isna().all():
        return None
    return listings["label_probability"].to_numpy(dtype=np.float64, na_value=np.nan)


def weigh_labels(listings: pd.DataFrame) -> Floats:
    """Return for how many listings each label stands; 1 where no listing says so."""
    probability = find_label_probability(listings)
    return np.ones(len(listings)) if probability is None else weigh_by_probability(probability)


def weigh_by_probability(probability: ArrayLike) -> Floats:
    """Return for how many listings each label stands, shape (n_listings,).

    A weight above the mean one times the root of their number is cut to that, so that no single label decides
    (Ionides, 2008, doi:10.1198/106186008X320456).

    Parameters
    ----------
    probability : array of shape (n_listings,)
        In 0-1, more than 0; NaN where nobody knows, for instance of a listing that a notice pointed to: 1 is taken.

    Raises
    ------
    UnusableSetting
        A probability is 0 or less, or more than 1.

    Examples
    --------
    >>> weigh_by_probability([1.0, 0.5, np.nan])
    array([1., 2., 1.])
    """
    known = np.nan_to_num(np.asarray(probability, dtype=np.float64), nan=1.0)
    is_wrong = (known <= 0) | (known > 1)
    if is_wrong.any():
        found = f"{known[is_wrong][0]:g} of {int(is_wrong.sum()):,} labels"
        raise UnusableSetting("label_probability", found, "numbers above 0, up to 1")
    weight = 1.0 / known
    return np.asarray(np.minimum(weight, weight.mean() * np.sqrt(len(weight))))


def effective_number(weight: Floats) -> float:
    """Return how many labels of equal weight would say as much (Kish, 1965, "Survey Sampling").

    Examples
    --------
    >>> round(effective_number(np.array([1.0, 1.0, 20.0])), 2)
    1.2
    """
    return float(weight.sum() ** 2 / (weight @ weight))


def count_by_probability(probability: ArrayLike) -> Floats:
    """Return what each label counts, so that all of them count as their effective number, shape (n_listings,).

    Examples
    --------
    >>> count_by_probability([1.0, 1.0]), count_by_probability([1.0, 0.5]).round(1)
    (array([1., 1.]), array([0.6, 1.2]))
    """
    weight = weigh_by_probability(probability)
    return np.asarray(weight * (effective_number(weight) / weight.sum()))


Flags = NDArray[np.bool_]
FINAL_SHARE = 0.95
"""Labels of listings at whose age such a share of either kind has come are called final in what people read."""


@dataclass(frozen=True, slots=True, eq=False)
class Lags:
    """Which share of the labels of one kind has come by an age.

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
        """Return the share that has come by each age in days; 1 where the age is unknown (NaN).

        Examples
        --------
        >>> Lags(np.array([5.0, 30.0]), np.array([0.5, 1.0])).arrived([1.0, 10.0, 30.0, np.nan])
        array([0. , 0.5, 1. , 1. ])
        """
        return self.arrived_at(self.steps(age))

    def steps(self, age: ArrayLike) -> NDArray[np.intp]:
        """Return how many of `days` lie at or before each age: what `arrived_at` takes, under any shares."""
        return np.searchsorted(self.days, np.asarray(age, dtype=np.float64), side="right")

    def arrived_at(self, steps: NDArray[np.intp]) -> Floats:
        """Return the share that has come by the ages of which `steps` tells."""
        return np.concatenate([[0.0], self.share])[steps]

    def age_by(self, share: float) -> float:
        """Return by which age in days so large a share has come.

        Examples
        --------
        >>> Lags(np.array([5.0, 30.0]), np.array([0.5, 1.0])).age_by(0.9)
        30.0
        """
        return float(self.days[np.searchsorted(self.share, share)])


AT_ONCE = Lags(np.zeros(1), np.ones(1))


class LagOrder:
    """The labels of one kind in the order of their lags, from which `Lags` follow under any weights.

    Lags longer than the root of all labels could have shown are left out: the estimate would hang on very few.

    Parameters
    ----------
    lag, age : array of shape (n_labels,)
        Days from listing to label, and to the moment at which the labels were read.

    Examples
    --------
    Of four listings of 40 days two were labelled after 5 days and two after 30; of four of 10 days, the two that a
    label could have come to:

    >>> order = LagOrder(np.array([5.0, 5.0, 30.0, 30.0, 5.0, 5.0]), np.array([40.0] * 4 + [10.0] * 2))
    >>> order.lags().days, order.lags().share
    (array([ 5., 30.]), array([0.5, 1. ]))
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
        """Return the product-limit estimate, each label counting as often as its weight says."""
        if not len(self.days):
            return AT_ONCE
        weight = np.ones(self._n_labels) if weight is None else weight
        by_lag, by_age = (np.concatenate([[0.0], np.cumsum(weight[rows])]) for rows in (self._by_lag, self._by_age))
        came = by_lag[self._behind] - by_lag[self._first]
        could = by_lag[self._behind] - by_age[self._younger]  # as late or sooner, and old enough for it to show
        before = 1.0 - np.divide(came, could, out=np.zeros_like(came), where=could > 0)
        return Lags(self.days, np.append(np.cumprod(before[:0:-1])[::-1], 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class LabelAges:
    """What labels say of when they came, as arrays of shape (n_labels,).

    Attributes
    ----------
    as_of : Timestamp
        The last moment that they speak of.
    age : array of float
        Days from the listing to that moment; NaN where unknown.
    lag : array of float
        Days from the listing to its label; NaN where the label does not say when it became known.
    is_fake : array of bool
    """

    as_of: pd.Timestamp
    age: Floats
    lag: Floats
    is_fake: Flags

    @classmethod
    def of(cls, labelled: pd.DataFrame) -> Self | None:
        """Read labelled listings; None where no label of a counterfeit says when it became known.

        A listing counts from `observed_at`, when it was there to be looked at, unless most labels are older: then,
        and where that is missing, from `listed_at`. A moment that most labels of a kind share is when they were
        written down, not when they became known.
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
    """How final the labels of some listings are, and how far each of them counts.

    Parameters
    ----------
    ages : LabelAges

    Attributes
    ----------
    counterfeit, genuine : Lags
    is_provisional : bool
        Whether genuine listings without a moment are taken as genuine until found.
    weight : array of shape (n_labels,)
        How far each label counts, in 0-1.
    """

    def __init__(self, ages: LabelAges) -> None:
        self.ages = ages
        self._has_moment = ~np.isnan(ages.lag)
        kinds = [np.flatnonzero(is_kind & self._has_moment) for is_kind in (ages.is_fake, ~ages.is_fake)]
        self._orders = [(rows, LagOrder(ages.lag[rows], ages.age[rows])) for rows in kinds]
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
        ages = LabelAges.of(labelled)
        maturity = None if ages is None else cls(ages)
        if maturity is None or (maturity.weight == 1).all() or not maturity._leaves_both():
            return None
        return maturity

    @property
    def final_days(self) -> float:
        """The age in days by which `FINAL_SHARE` of the labels of either kind have come; older ones are final."""
        return max(lags.age_by(FINAL_SHARE) for lags in (self.counterfeit, self.genuine))

    def prevalence(self, sellers: ArrayLike, days: float, n_resamples: int = 200, seed: int = 0) -> Estimate | None:
        """Return the share of counterfeits among the listings of the last days, found already or not.

        The interval is over sellers, and over what the lags are known from. None where no such label counts.

        Parameters
        ----------
        sellers : array of shape (n_labels,)
        days : float
        n_resamples : int, default=200
        seed : int, default=0
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
        """Say in a sentence or two how far back labels are final, and what was done about the others."""
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

    def _learn(self, rows: NDArray[np.intp], order: LagOrder) -> Lags:
        """Return the lags of a kind; at once where by them most of its labels could not be there: no lags then."""
        lags = order.lags()
        return lags if 2 * np.count_nonzero(lags.arrived(self.ages.age[rows])) >= len(rows) else AT_ONCE

    def _is_genuine_until_found(self) -> bool:
        """Say whether young genuine listings mostly have no moment, though counterfeits do."""
        unfound = 1.0 - self.counterfeit.arrived(self.ages.age)
        is_genuine = ~self.ages.is_fake
        return bool(unfound[is_genuine & ~self._has_moment].sum() > unfound[is_genuine & self._has_moment].sum())

    def _weigh(self, counterfeit: Lags, genuine: Lags, counts: Floats | None = None) -> Floats:
        """Return how far each label counts; `counts` says how often each is there."""
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
        """Say whether both kinds still count."""
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
    """Return from when on each listing counts; see `LabelAges.of`."""
    unknown = pd.Series(pd.NaT, index=labelled.index, dtype=came.dtype)
    observed, listed = (labelled.get(name, unknown) for name in ("observed_at", "listed_at"))
    is_both = observed.notna() & came.notna()
    if int((came < observed)[is_both].sum()) > int(is_both.sum()) / 2:
        return listed.fillna(observed)
    return observed.fillna(listed)
