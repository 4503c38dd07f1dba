"""What all extractors share: one way from listings to numbers, and tables prepared for it."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ipml.features.columns import ListingColumns


class Extractor(TransformerMixin, BaseEstimator):
    """Turn columns of listings into numbers, by compiled functions that read prepared tables.

    A subclass sets its learned attributes in `learn`, and makes of them in `prepare` what its `values` needs: arrays
    that are looked up again and again. They are made once, when first asked for, and are no part of a model file.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from a frame, a mapping of columns or ListingColumns."""
        self.learn(ListingColumns.of(X))
        self.__dict__.pop("_prepared", None)
        return self

    def transform(self, X: Any) -> Any:
        """Return the values of a frame, a mapping of columns or ListingColumns, shape (n_listings, n_features)."""
        check_is_fitted(self)
        return self.values(ListingColumns.of(X))

    def learn(self, listings: ListingColumns) -> None:
        """Set the learned attributes."""
        raise NotImplementedError

    def extend(self, other: Self) -> None:
        """Know also what another of the same kind knows; what both have learnt stays as it is."""
        self.borrow(other)
        self.__dict__.pop("_prepared", None)

    def borrow(self, other: Self) -> None:
        """Add to the learned attributes those of another, where one has learnt nothing itself."""

    def values(self, listings: ListingColumns) -> Any:
        """Return an array or a sparse matrix with a row for each listing."""
        raise NotImplementedError

    def prepare(self) -> Any:
        """Return what is prepared from the learned attributes."""
        return ()

    @property
    def prepared(self) -> Any:
        """What `prepare` returned; should several threads make it at once, all make the same."""
        prepared = self.__dict__.get("_prepared")
        if prepared is None:
            prepared = self.__dict__["_prepared"] = self.prepare()
        return prepared

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string, tags.input_tags.allow_nan = False, True, True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        state.pop("_prepared", None)
        return state
