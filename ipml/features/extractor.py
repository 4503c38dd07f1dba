"""Extractor: the base class of everything that turns columns of listings into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.kit.estimator import Estimator, check_fitted


class Extractor(Estimator):
    """Base class of extractors: turns columns of listings into numbers by functions of the engine.

    A subclass sets its learned attributes in `learn`; `prepare` derives from them the lookup tables that `values`
    needs. The tables are made once, on first use, and are not part of a model file.

    Attributes
    ----------
    reads : sequence of str
        The only columns that its values depend on.
    feature_names : sequence of str
        Names of the features, where they are the same for every fit.
    """

    reads: Sequence[str] = ()
    feature_names: Sequence[str] = ()

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from a frame, a mapping of columns or ListingColumns."""
        self.learn(ListingColumns.of(X))
        self.__dict__.pop("_prepared", None)
        return self

    def transform(self, X: Any) -> Any:
        """Return the values of a frame, a mapping of columns or ListingColumns, shape (n_listings, n_features)."""
        check_fitted(self)
        return self.values(ListingColumns.of(X))

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, then return what `transform` returns."""
        return self.fit(X, y).transform(X)

    def learn(self, listings: ListingColumns) -> None:
        """Set the learned attributes."""
        raise NotImplementedError

    def extend(self, other: Self) -> None:
        """Add what another extractor of this kind has learnt; what both have learnt stays as it is here."""
        self.borrow(other)
        self.__dict__.pop("_prepared", None)

    def borrow(self, other: Self) -> None:
        """Add the learned attributes of another extractor, where this one has learnt nothing."""

    def values(self, listings: ListingColumns) -> Any:
        """Return an array or a sparse matrix with one row per listing."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features."""
        return np.array(self.feature_names, dtype=object)

    def prepare(self) -> Any:
        """Return lookup tables derived from the learned attributes."""
        return ()

    @property
    def prepared(self) -> Any:
        """The cached result of `prepare`; threads that make it at the same time make the same."""
        prepared = self.__dict__.get("_prepared")
        if prepared is None:
            prepared = self.__dict__["_prepared"] = self.prepare()
        return prepared

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import TransformerTags  # the caller has loaded scikit-learn

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()
        tags.input_tags.two_d_array, tags.input_tags.string, tags.input_tags.allow_nan = False, True, True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_prepared"}
