"""The listing by itself: the sum of what its features weigh, without spelling out the features.

`CounterfeitClassifier.transform` writes every n-gram of every listing into a matrix, which learning and explaining
need. To score, it is enough to add up what each extractor's features weigh, and that is many times as quick.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import FeatureUnion

from ipml.features.columns import SPELT, ListingColumns
from ipml.features.compiled.numbers import add_rows
from ipml.features.extractor import Extractor
from ipml.features.names import Names
from ipml.features.ngrams import NgramSums
from ipml.features.text import TextFeatures
from ipml.model.passages import PASSAGE_WORDS, split_long_texts

Floats = NDArray[np.float64]
_MOST_REMEMBERED = 4_096
"""How many different texts of a column of few, such as categories, are kept with what they weigh."""


class FirstStage:
    """Fitted extractors and the coefficients of their features, prepared for scoring.

    Parameters
    ----------
    features : FeatureUnion
        Fitted.
    coefficients : array of shape (n_features,)
    intercept : float

    Attributes
    ----------
    parts : dict of str to TextPart or NumberPart
        What the features of each extractor weigh.
    intercept : float
    """

    def __init__(self, features: FeatureUnion, coefficients: Floats, intercept: float) -> None:
        self.intercept = intercept
        self.parts: dict[str, TextPart | NumberPart] = {}
        start = 0
        for name, extractor in features.transformer_list:
            width = count_features(extractor)
            weights = coefficients[start : start + width] * (features.transformer_weights or {}).get(name, 1.0)
            start += width
            part = TextPart if isinstance(extractor, TextFeatures) else NumberPart
            self.parts[name] = part(extractor, weights)

    def log_odds(self, listings: ListingColumns) -> Floats:
        """Return the log-odds of each listing by itself, shape (n_listings,); of long texts the worst passage counts.

        Parameters
        ----------
        listings : ListingColumns
            As the model reads them.
        """
        worst = self.sum(listings)
        for column in PASSAGE_WORDS:
            if split := split_long_texts(listings, column):
                passages, owners = split
                np.maximum.at(worst, owners, self.sum(passages))
        return worst

    def is_unfamiliar(self, listings: ListingColumns) -> NDArray[np.bool_]:
        """Say whose titles training knew nothing like, shape (n_listings,)."""
        part = self.text_part("title")
        return part.extractor.is_unfamiliar(part.sum(listings))

    def text_part(self, name: str) -> TextPart:
        """Return the part of an extractor of n-grams."""
        part = self.parts[name]
        assert isinstance(part, TextPart)
        return part

    def number_part(self, name: str) -> NumberPart:
        """Return the part of another extractor."""
        part = self.parts[name]
        assert isinstance(part, NumberPart)
        return part

    def has_passages(self, listings: ListingColumns) -> NDArray[np.bool_]:
        """Say which listings have a text so long that it is read by passages, shape (n_listings,)."""
        found = np.zeros(len(listings), dtype=bool)
        for column in PASSAGE_WORDS:
            if split := split_long_texts(listings, column):
                found[split[1]] = True
        return found

    def worst(self, listing: ListingColumns) -> ListingColumns:
        """Return the passage of one listing that counted, as a listing; the listing itself where it counts whole."""
        splits = [split for column in PASSAGE_WORDS if (split := split_long_texts(listing, column))]
        worst, highest = listing, self.sum(listing)[0] if splits else np.inf
        for passages, _ in splits:
            sums = self.sum(passages)
            if sums.max() > highest:
                worst, highest = passages.take(np.array([sums.argmax()])), sums.max()
        return worst

    def contributions(self, listings: ListingColumns) -> dict[str, Floats]:
        """Return by extractor what each feature of each listing adds to its log-odds; n-grams add it together."""
        return {name: part.contributions(listings) for name, part in self.parts.items()}

    def sum(self, listings: ListingColumns) -> Floats:
        """Return the log-odds of each listing read whole, shape (n_listings,)."""
        total = np.full(len(listings), self.intercept)
        for part in self.parts.values():
            part.add(listings, total)
        return total


class TextPart:
    """What the n-grams of a text column weigh.

    Attributes
    ----------
    extractor : TextFeatures
    marked : array of shape (2^bits + 1,)
        The weight of each n-gram.
    """

    def __init__(self, extractor: TextFeatures, weights: Floats) -> None:
        self.extractor = extractor
        self.marked = extractor.mark(weights)
        self._weigh_one = lru_cache(_MOST_REMEMBERED)(lambda text: float(self._weigh_all([text])[0]))

    def sum(self, listings: ListingColumns) -> NgramSums:
        """Return what the n-grams of each listing weigh."""
        return listings.once(self, lambda: self.extractor.sum(listings, self.marked))

    def add(self, listings: ListingColumns, total: Floats) -> None:
        """Add to the total of each listing."""
        column = self.extractor.column
        if column not in listings:
            return
        if column in SPELT:
            total += listings.each_once([column], lambda of: self.sum(of).weights)
        else:
            names = listings.names(column)
            total += self._weigh_each(names)[names.codes]

    def contributions(self, listings: ListingColumns) -> Floats:
        """Return what the n-grams of each listing add together, shape (n_listings,)."""
        total = np.zeros(max(len(listings), 1))  # columns without any are those of one that says nothing
        self.add(listings, total)
        return total

    def _weigh_each(self, names: Names) -> Floats:
        """Return what each of few different texts weighs."""
        return np.array([self._weigh_one(names.names[0])]) if len(names.names) == 1 else self._weigh_all(names.names)

    def _weigh_all(self, texts: list[str]) -> Floats:
        return self.extractor.sum(ListingColumns({self.extractor.column: texts}), self.marked).weights


class NumberPart:
    """What all features of another extractor weigh.

    Attributes
    ----------
    weights : array of shape (n_features,)
    """

    def __init__(self, extractor: Any, weights: Floats) -> None:
        self._read = extractor.values if isinstance(extractor, Extractor) else extractor.transform
        self.weights = weights

    def add(self, listings: ListingColumns, total: Floats) -> None:
        """Add to the total of each listing."""
        values = self._read(listings)
        if isinstance(values, np.ndarray):
            add_rows(values, self.weights, total)
        else:
            total += values @ self.weights

    def contributions(self, listings: ListingColumns) -> Floats:
        """Return what each feature of each listing adds, shape (n_listings, n_features)."""
        values = self._read(listings)
        dense = values if isinstance(values, np.ndarray) else values.toarray()
        return np.asarray(dense * self.weights)


def count_features(extractor: Extractor) -> int:
    """Return how many features a fitted extractor makes."""
    return len(extractor.idf_) if isinstance(extractor, TextFeatures) else len(extractor.get_feature_names_out())
