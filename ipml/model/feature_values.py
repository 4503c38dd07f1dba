"""What fitted extractors say of listings: numbers as a matrix, texts as texts until someone asks for their n-grams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.pipeline import FeatureUnion

from ipml.features.columns import ListingColumns
from ipml.features.compiled.texts import Texts, concat
from ipml.features.text import TextFeatures
from ipml.model.design import Design, Ngrams


@dataclass(frozen=True, slots=True, eq=False)
class FeatureValues:
    """The values of the features of some listings.

    Attributes
    ----------
    features : FeatureUnion
        The extractors, fitted.
    numbers : dict of str to sparse matrix
        By extractor, weighed as the union weighs them.
    texts : dict of str to Texts
        Skeletons, by extractor of n-grams.
    """

    features: FeatureUnion
    numbers: dict[str, csr_matrix]
    texts: dict[str, Texts]

    @classmethod
    def of(cls, features: FeatureUnion, listings: ListingColumns) -> FeatureValues:
        """Return the values of listings, as the model reads them."""
        numbers, texts = {}, {}
        for name, extractor in features.transformer_list:
            if isinstance(extractor, TextFeatures):
                texts[name] = listings.bones(extractor.column)
            else:
                numbers[name] = csr_matrix(extractor.transform(listings)) * _weight(features, name)
        return cls(features, numbers, texts)

    def take(self, rows: NDArray[np.intp]) -> FeatureValues:
        """Return the values of some listings, in the order given."""
        numbers = {name: values[rows] for name, values in self.numbers.items()}
        return FeatureValues(self.features, numbers, {name: texts.take(rows) for name, texts in self.texts.items()})

    def stack(self, other: FeatureValues) -> FeatureValues:
        """Return these values and then those of other listings."""
        numbers = {name: csr_matrix(vstack([values, other.numbers[name]])) for name, values in self.numbers.items()}
        texts = {name: concat([own, other.texts[name]]) for name, own in self.texts.items()}
        return FeatureValues(self.features, numbers, texts)

    def design(self) -> Design:
        """Return the values as the learner reads them: n-grams in little memory."""
        blocks, ngrams, first = [], [], 0
        for name, extractor in self.features.transformer_list:
            if isinstance(extractor, TextFeatures):
                texts, weight = self.texts[name], _weight(self.features, name)
                ngrams.append(Ngrams(first, texts, extractor.idf_, extractor.letters, extractor.words, weight))
                blocks.append(csr_matrix((len(texts), extractor.idf_.size)))
            else:
                blocks.append(self.numbers[name])
            first += blocks[-1].shape[1]
        return Design.of(csr_matrix(hstack(blocks)), ngrams)

    def matrix(self) -> csr_matrix:
        """Return the values with all n-grams spelt out, shape (n_listings, n_features)."""
        blocks = [
            extractor.weigh(self.texts[name]) * _weight(self.features, name)
            if isinstance(extractor, TextFeatures)
            else self.numbers[name]
            for name, extractor in self.features.transformer_list
        ]
        return csr_matrix(hstack(blocks))


def _weight(features: FeatureUnion, name: str) -> float:
    return float((features.transformer_weights or {}).get(name, 1.0))
