"""External classifier: an estimator that ipml did not train, with probabilities calibrated on sellers left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import Failed, UnusableSetting, first_line
from ipml.features.column import Names
from ipml.features.columns import ListingColumns
from ipml.features.figures import PriceFeatures
from ipml.features.goods import BrandTable, listing_brands
from ipml.features.own import find_own_texts, is_own_column, make_frame, read_own_column
from ipml.features.portfolio import SellerPortfolios
from ipml.kit.estimator import Estimator, check_fitted
from ipml.listings.extra import EXTRA
from ipml.listings.fields import FIELDS
from ipml.model.calibration.calibration import ListingGroups, fit_calibration
from ipml.model.evaluation.label_weights import count_by_probability
from ipml.model.external.source import EstimatorSource, OpenedEstimator, open_fitted
from ipml.model.familiarity import Familiarity
from ipml.model.labels import find_counterfeit_label, read_labels, read_weight

Floats = NDArray[np.float64]
LABEL_FIELDS = frozenset({"is_counterfeit", "labelled_at", "label_weight", "label_probability"})
READ = tuple(field for field in FIELDS if field.name not in LABEL_FIELDS)
"""The fields of a listing that an external estimator is shown: all but the label and what belongs to it."""
_NAMES = tuple(field.name for field in READ)
_MOST_SURE = 1e-6  # probabilities of 0 and 1 have no log-odds
_READ_AT_ONCE = 20_000


def frame_of(listings: Any) -> pd.DataFrame:
    """Return listings as an external estimator receives them: typed columns without labels."""
    return make_frame(ListingColumns.of(listings), _NAMES, fills_texts=False)


class ExternalClassifier(Estimator):
    """Probabilities of an external estimator, calibrated by brand and category unless they are taken as they are.

    The estimator receives a frame of canonical listing columns, without labels, and returns a probability for each
    listing.

    Parameters
    ----------
    brands : dict or None, default=None
        A table made by `ipml.features.goods.brand_table`, for price ranges and calibration by brand.
    is_calibrated : bool, default=True
        Calibrate probabilities; otherwise they have no interval.
    refit : bool, default=False
        Fit the estimator anew on the training listings.
    pos_label : str, int, bool or None, default=None
        The estimator's label of counterfeits, if its classes do not show it. An estimator without classes returns the
        probability of counterfeits alone or last.
    n_folds : int, default=5
        Folds over sellers for the calibration of a refitted estimator.
    seed : int, default=0
    trusted : str, default=""
        Permissions that the estimator needs (`EstimatorSource.open`); never part of a model file.

    Attributes
    ----------
    calibration_ : ipml.model.calibration.calibration.HierarchicalCalibration
        Absent for uncalibrated probabilities.
    prices_ : PriceFeatures
    familiarity_ : Familiarity
    portfolios_ : SellerPortfolios
        Empty: an external estimator knows earlier listings only by columns.
    own_texts_ : list of str
        A marketplace's own columns, such as "extra.tier", that are texts; others are numbers.
    base_rate_ : float
        Mean log-odds of the training listings.
    classes_ : array of shape (2,)
    """

    def __init__(
        self,
        source: EstimatorSource,
        brands: BrandTable | None = None,
        is_calibrated: bool = True,
        refit: bool = False,
        pos_label: str | int | bool | None = None,
        n_folds: int = 5,
        seed: int = 0,
        trusted: str = "",
    ) -> None:
        self.source = source
        self.brands = brands
        self.is_calibrated = is_calibrated
        self.refit = refit
        self.pos_label = pos_label
        self.n_folds = n_folds
        self.seed = seed
        self.trusted = trusted

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a model file, without the opened estimator and what is trusted."""
        state = {name: value for name, value in vars(self).items() if name not in ("_opened", "trusted")}
        return state | {"brands": None}  # those of the price features are the same

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.trusted = ""

    def __reduce__(self) -> tuple[Callable[..., ExternalClassifier], tuple[dict[str, Any], str]]:
        """Pickle for another process, with what this one trusts."""
        return _revive, (self.__getstate__(), self.trusted)

    def fit(
        self, X: pd.DataFrame, y: Any, sample_weight: Any = None, label_probability: Any = None, maturity: Any = None
    ) -> Self:
        """Learn calibration, usual prices and usual listings.

        Parameters
        ----------
        X : DataFrame of shape (n_listings, …)
            Canonical columns with `seller_id`. Without `refit` the estimator must not have learnt from these sellers:
            figures and probabilities would be too good.
        y : array of shape (n_listings,)
            1 for counterfeit, 0 for genuine.
        sample_weight : array of shape (n_listings,), optional
            Trust in each label.
        label_probability, maturity : array of shape (n_listings,), optional
            As for `CounterfeitClassifier.fit`.

        Raises
        ------
        UnusableSetting
            The estimator fails or returns no probabilities.
        """
        weight = read_weight(sample_weight, len(X))
        _, y, _ = read_labels(y, weight)
        self.classes_ = np.array([0, 1])
        self.own_texts_ = find_own_texts(ListingColumns.of(X).texts(EXTRA))
        weight = weight if label_probability is None else weight * count_by_probability(label_probability)
        weight = weight if maturity is None else weight * np.asarray(maturity, dtype=np.float64)
        listings, sellers = ListingColumns.of(X), np.asarray(X["seller_id"]).astype(str)
        self.prices_ = PriceFeatures(self.brands).fit(listings)
        self.portfolios_ = SellerPortfolios()
        log_odds = self._fit_estimator(frame_of(X), y, sellers) if self.refit else self.decision_function(X)
        self.base_rate_ = float(np.average(log_odds, weights=weight))
        brands, categories = self._groups(listings)
        if self.is_calibrated:
            brand, category = (np.array(names.strings(), dtype=object) for names in (brands, categories))
            groups = ListingGroups(brand, category, sellers)
            self.calibration_ = fit_calibration(log_odds, y, weight, groups, self.seed)
        self.familiarity_ = Familiarity().fit(listings, brands, self.calibrate(listings, log_odds), weight)
        return self

    def _fit_estimator(self, frame: pd.DataFrame, y: NDArray[np.int8], sellers: NDArray[Any]) -> Floats:
        """Fit the estimator anew on all listings; return its log-odds of sellers left out."""
        from sklearn.base import clone
        from sklearn.model_selection import StratifiedGroupKFold

        given = self.opened
        if given.estimator is None:
            raise self._refuse(f"an estimator of the kind {self.source.kind}", "one of scikit-learn's kind to fit anew")
        unseen = np.full(len(y), np.nan)
        folds = StratifiedGroupKFold(self.n_folds, shuffle=True, random_state=self.seed)
        for train, test in folds.split(frame, y, sellers):
            fitted = self._ask_to_fit(clone(given.estimator), frame.iloc[train], y[train])
            unseen[test] = self._log_odds_of(open_fitted(fitted), frame.iloc[test])
        self._opened = open_fitted(self._ask_to_fit(clone(given.estimator), frame, y))
        self.source = EstimatorSource.of_estimator(self._opened.estimator, self.source.kind)
        return unseen

    def _ask_to_fit(self, estimator: Any, frame: pd.DataFrame, y: NDArray[np.int8]) -> Any:
        try:
            return estimator.fit(frame, y)
        except Exception as error:  # other people's estimators fail in their own ways
            raise self._refuse(first_line(error), "an estimator that fits on canonical listing columns") from error

    @property
    def opened(self) -> OpenedEstimator:
        """The estimator, opened on first use."""
        if "_opened" not in vars(self):
            self._opened = self.source.open(self.trusted, self.name)
        return self._opened

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.source.address or f"external estimator ({self.source.kind})"

    def decision_function(self, X: Any) -> Floats:
        """Return the estimator's log-odds, shape (n_listings,)."""
        frame = frame_of(X)
        parts = range(0, max(len(frame), 1), _READ_AT_ONCE)
        return np.concatenate(
            [self._log_odds_of(self.opened, frame.iloc[start : start + _READ_AT_ONCE]) for start in parts]
        )

    def _log_odds_of(self, opened: OpenedEstimator, frame: pd.DataFrame) -> Floats:
        if frame.empty:
            return np.zeros(0)
        try:
            given = np.asarray(opened.predict(self._choose(opened, frame)), dtype=np.float64)
        except Failed:
            raise
        except Exception as error:
            raise self._refuse(f"an error ({first_line(error)})", "probabilities of listings") from error
        probability = given[:, self._find_column(opened)] if given.ndim == 2 else given
        if probability.shape != (len(frame),):
            raise self._refuse(f"an answer of shape {given.shape}", f"a probability for each of {len(frame)} listings")
        if not np.all((probability >= 0) & (probability <= 1)):
            wrong = probability[~((probability >= 0) & (probability <= 1))][0]
            raise self._refuse(f"the value {wrong:g}", "probabilities from 0 to 1")
        probability = np.clip(probability, _MOST_SURE, 1 - _MOST_SURE)
        return np.asarray(np.log(probability) - np.log1p(-probability))

    def _find_column(self, opened: OpenedEstimator) -> int:
        """Return the column of counterfeits in its probabilities; one refitted here has labels 0 and 1."""
        if opened.classes is None or self.refit:
            return -1
        if len(opened.classes) != 2:
            raise self._refuse(f"an estimator of {len(opened.classes)} classes", "one of two")
        try:
            return find_counterfeit_label(np.array(opened.classes), self.pos_label)
        except ValueError as error:
            raise self._refuse(
                f"an estimator of unclear classes ({first_line(error)})", "its label of counterfeits in pos_label"
            ) from error

    def show(self, X: Any) -> pd.DataFrame:
        """Return listings with the columns that the estimator names, else all canonical ones."""
        return self._choose(self.opened, frame_of(X))

    def _choose(self, opened: OpenedEstimator, frame: pd.DataFrame) -> pd.DataFrame:
        if opened.columns is None:
            return frame
        unknown = [name for name in opened.columns if not (name in frame or is_own_column(name))]
        if (
            unknown and opened.estimator is None
        ):  # one of scikit-learn names all that it was fitted on, also unread ones
            raise self._refuse(f"an estimator that reads {', '.join(unknown[:5])}", "canonical listing columns")
        own = {
            name: read_own_column(frame[EXTRA], name, name in self.own_texts_)
            for name in opened.columns
            if is_own_column(name)
        }
        return frame.assign(**own)[[name for name in opened.columns if name not in unknown]]

    def _refuse(self, found: str, expected: str) -> UnusableSetting:
        return UnusableSetting(self.name, found, expected)

    def explain(self, X: Any) -> tuple[pd.DataFrame, float] | None:
        """Return the contributions of the estimator's features and the base rate; None if it has no explanation."""
        if self.opened.explain is None:
            return None
        added, base = self.opened.explain(self.show(X))
        if self._find_column(self.opened) == 0:  # its features are weighed for the second class
            added, base = -added, -base
        return added, self.base_rate_ if np.isnan(base) else base

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities of genuine and counterfeit, shape (n_listings, 2)."""
        listings = ListingColumns.of(X)
        probability = self.calibrate(listings, self.decision_function(X))
        return np.column_stack([1.0 - probability, probability])

    def calibrate(self, X: Any, log_odds: Floats) -> Floats:
        """Return the probability of counterfeit at these log-odds, shape (n_listings,)."""
        return self.calibrate_with_bounds(X, log_odds)[0]

    def calibrate_with_bounds(self, X: Any, log_odds: Floats) -> tuple[Floats, Floats, Floats]:
        """Return probabilities and bounds, three arrays; bounds are NaN without calibration."""
        if not self.is_calibrated:
            unknown = np.full(len(log_odds), np.nan)
            return 1.0 / (1.0 + np.exp(-log_odds)), unknown, unknown.copy()
        check_fitted(self, "calibration_")
        return self.calibration_.calibrate_with_bounds(log_odds, *self._groups(ListingColumns.of(X)))

    def suspicion(self, X: Any) -> Floats:
        """Return each listing's probability."""
        return self.calibrate(X, self.decision_function(X))

    def price_ratios(self, X: Any) -> Floats:
        """Return each price over the reference price of its brand and category, NaN where unknown."""
        return self.prices_.ratios(ListingColumns.of(X))

    @property
    def reading(self) -> None:
        """None: the estimator reads words itself."""
        return None

    @property
    def brand_table(self) -> BrandTable:
        """The brand table."""
        return self.prices_.table_

    def _groups(self, listings: ListingColumns) -> tuple[Names, Names]:
        """Return the brand and the category of each listing, "" where unknown."""
        return listing_brands(listings, self.prices_.table_), listings.names("category")


def _revive(state: dict[str, Any], trusted: str) -> ExternalClassifier:
    classifier = ExternalClassifier.__new__(ExternalClassifier)
    classifier.__setstate__(state)
    classifier.trusted = trusted
    return classifier
