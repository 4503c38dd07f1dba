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
from ipml.model.first_stage import count_features


@dataclass(frozen=True, slots=True, eq=False)
class FeatureValues:
    """The values of the features of some listings.

    Attributes
    ----------
    features : FeatureUnion
        The extractors, fitted.
    numbers : csr_matrix of shape (n_listings, n_features)
        Weighed as the union weighs them; nothing in the columns of n-grams.
    texts : dict of str to Texts
        Skeletons, by extractor of n-grams.
    """

    features: FeatureUnion
    numbers: csr_matrix
    texts: dict[str, Texts]

    @classmethod
    def of(cls, features: FeatureUnion, listings: ListingColumns) -> FeatureValues:
        """Return the values of listings, as the model reads them."""
        blocks, texts = [], {}
        for name, extractor in features.transformer_list:
            if isinstance(extractor, TextFeatures):
                texts[name] = listings.bones(extractor.column)
                blocks.append(csr_matrix((len(listings), extractor.idf_.size)))
            else:
                blocks.append(csr_matrix(extractor.transform(listings)) * _weight(features, name))
        return cls(features, csr_matrix(hstack(blocks)), texts)

    def take(self, rows: NDArray[np.intp]) -> FeatureValues:
        """Return the values of some listings, in the order given."""
        texts = {name: texts.take(rows) for name, texts in self.texts.items()}
        return FeatureValues(self.features, self.numbers[rows], texts)

    def stack(self, other: FeatureValues) -> FeatureValues:
        """Return these values and then those of other listings."""
        numbers = csr_matrix(vstack([self.numbers, other.numbers]))
        texts = {name: concat([own, other.texts[name]]) for name, own in self.texts.items()}
        return FeatureValues(self.features, numbers, texts)

    def design(self) -> Design:
        """Return the values as the learner reads them: n-grams in little memory."""
        ngrams, first = [], 0
        for name, extractor in self.features.transformer_list:
            if isinstance(extractor, TextFeatures):
                texts, weight = self.texts[name], _weight(self.features, name)
                ngrams.append(Ngrams(first, texts, extractor.idf_, extractor.letters, extractor.words, weight))
            first += count_features(extractor)
        return Design.of(self.numbers, ngrams)

    def matrix(self) -> csr_matrix:
        """Return the values with all n-grams spelt out, shape (n_listings, n_features)."""
        ngrams = [
            extractor.weigh(self.texts[name]) * _weight(self.features, name)
            if isinstance(extractor, TextFeatures)
            else csr_matrix((self.numbers.shape[0], count_features(extractor)))
            for name, extractor in self.features.transformer_list
        ]
        return csr_matrix(self.numbers + csr_matrix(hstack(ngrams)))


def _weight(features: FeatureUnion, name: str) -> float:
    return float((features.transformer_weights or {}).get(name, 1.0))
