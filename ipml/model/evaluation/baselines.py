"""Baselines: simple rules that every model must beat.

Each gives a probability, so it can be measured like the model: one number per listing, put through a rising sigmoid
fitted on the training listings.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ipml.features.column import PhraseSet
from ipml.features.columns import ListingColumns
from ipml.features.compiled.places import Places
from ipml.features.figures import PriceFeatures
from ipml.features.goods import BrandTable, listing_brands
from ipml.features.lexicon import load_lexicon
from ipml.model.calibration import SigmoidCalibration


class Prevalence(ClassifierMixin, BaseEstimator):
    """Give every listing the share of counterfeits among the training listings.

    Attributes
    ----------
    share_ : float
    """

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Count the counterfeits."""
        self.classes_ = np.array([0, 1])
        self.share_ = float(np.mean(np.asarray(y, dtype=float)))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        check_is_fitted(self)
        return _two_columns(np.full(len(ListingColumns.of(X)), self.share_))


class KeywordList(ClassifierMixin, BaseEstimator):
    """Count the words in title and description that say the goods are replicas.

    Parameters
    ----------
    kinds : tuple of str, default=("replica", "grade")
        Kinds of phrases of the bundled lexicon to count.

    Examples
    --------
    >>> rule = KeywordList().fit({"title": ["replica watch", "wool hat"] * 50}, [1, 0] * 50)
    >>> rule.predict_proba({"title": ["REPLICA bag", "bag"]})[:, 1].round(1)
    array([1., 0.])
    """

    def __init__(self, kinds: tuple[str, ...] = ("replica", "grade")) -> None:
        self.kinds = kinds

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Read the lexicon, and fit the calibration."""
        self.classes_ = np.array([0, 1])
        self.phrases_ = tuple(phrase for kind in self.kinds for phrase in load_lexicon().phrases(kind))
        self.calibration_ = SigmoidCalibration().fit(self._count(X), np.asarray(y, dtype=np.int8))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        check_is_fitted(self)
        return _two_columns(self.calibration_.probability(self._count(X)))

    def _count(self, X: Any) -> NDArray[np.float64]:
        listings = ListingColumns.of(X)
        phrases = PhraseSet(self.phrases_)
        titles, descriptions = (_count_starts(listings.places(name, phrases)) for name in ("title", "description"))
        return titles + descriptions


def _count_starts(places: Places) -> NDArray[np.float64]:
    """Return at how many places of each text a phrase begins."""
    return np.array([len({start for _, start, _ in of_text}) for of_text in places.of_each()], dtype=np.float64)


class PriceRule(ClassifierMixin, BaseEstimator):
    """Suspect low prices: the price over the brand's reference price or, without one, over a usual price.

    The usual price is the median of the training listings of the same currency: of the brand, else of the category,
    else of all. A listing without a price is ranked in the middle.

    Parameters
    ----------
    brands : dict or None, default=None
        Table of `ipml.features.goods.brand_table`; by default that of the bundled brand file.
    min_listings : int, default=5
        Brands and categories with fewer priced listings have no usual price.

    Attributes
    ----------
    medians_ : list of Series
        Usual price by brand, category and currency.
    middle_ : float
        Median suspicion of the training listings, in 0-1.

    Examples
    --------
    >>> listings = {"category": ["bags"] * 10, "price": [100.0, 10.0] * 5, "currency": ["EUR"] * 10}
    >>> PriceRule().fit(listings, [0, 1] * 5).predict_proba(listings)[:2, 1].round(1)
    array([0.1, 0.9])
    """

    def __init__(self, brands: BrandTable | None = None, min_listings: int = 5) -> None:
        self.brands = brands
        self.min_listings = min_listings

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Learn usual prices, and fit the calibration."""
        self.classes_ = np.array([0, 1])
        listings = ListingColumns.of(X)
        self.references_ = PriceFeatures(self.brands).fit(listings)
        self.medians_ = [self._medians(keys, listings.numbers("price")) for keys in self._keys(listings)]
        suspicion = self._suspicion(listings)
        suspicion = suspicion[~np.isnan(suspicion)]
        self.middle_ = float(np.median(suspicion)) if len(suspicion) else 0.5
        self.calibration_ = SigmoidCalibration().fit(self._ranked(listings), np.asarray(y, dtype=np.int8))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        check_is_fitted(self)
        return _two_columns(self.calibration_.probability(self._ranked(ListingColumns.of(X))))

    def _ranked(self, listings: ListingColumns) -> NDArray[np.float64]:
        return np.nan_to_num(self._suspicion(listings), nan=self.middle_)

    def _suspicion(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return 1 / (1 + ratio): 1 for a gift, 0.5 at the usual price, 0 far above; NaN where unknown."""
        ratios = self.references_.ratios(listings)
        for keys, medians in zip(self._keys(listings), self.medians_, strict=True):
            usual = keys.map(medians).to_numpy(dtype=np.float64)
            ratios = np.where(np.isnan(ratios), listings.numbers("price") / usual, ratios)
        return np.asarray(1 / (1 + ratios))

    def _keys(self, listings: ListingColumns) -> list[pd.Series[str]]:
        """Return keys of comparable prices: brand, category and currency, nearest first."""
        currencies = listings.names("currency").strings()
        brands = listing_brands(listings, self.references_.table_)
        named = [
            pd.Series(
                [f"{name}:{unit}" if name else None for name, unit in zip(names.strings(), currencies, strict=True)],
                dtype="str",
            )
            for names in (brands, listings.folded_names("category"))
        ]
        return [*named, pd.Series(currencies, dtype="str")]

    def _medians(self, keys: pd.Series[str], prices: NDArray[np.float64]) -> pd.Series[float]:
        groups = pd.Series(np.where(prices > 0, prices, np.nan)).groupby(keys)
        return groups.median()[groups.count() >= self.min_listings]


def _two_columns(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([1.0 - probability, probability])
