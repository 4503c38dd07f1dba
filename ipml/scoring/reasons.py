"""Why a listing scored as it did: contributions of features turned into sentences and highlighted letters.

Every feature belongs to one group, every group has one sentence, and the weights of the groups sum to the log-odds.
A long text counts as its most suspicious passage; sentences and highlights read all of it, so that a reviewer finds
every word that would count anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ipml.features.columns import MAX_LETTERS, SPELT, ListingColumns
from ipml.features.normalise import MAX_TITLE_LETTERS, fold_with_origins
from ipml.features.portfolio import EarlierListings, listing_moments
from ipml.features.text import TextFeatures
from ipml.model.pipeline import PORTFOLIO, CounterfeitClassifier
from ipml.records import Highlight, Reason
from ipml.scoring.sentences import CONTACTS, LOTS, SENTENCES, WORD_SENTENCES, Facts

SMALLEST_SHARE = 0.25  # words that carry less than this share of the heaviest word's weight are not highlighted
BASELINE = "Where every listing starts"
_PART = re.compile(r"[\u2e80-\U0003ffff]|[^\s\u2e80-\U0003ffff]+")
GROUPS = {
    "words": {kind: f"{kind}_in_.*" for kind in WORD_SENTENCES},
    "brand": {
        "named": r"named|more_named",
        "disguise": r"disguised.*",
        "contradiction": r"contradicts_field",
        "field": r"field_missing",
        "authorised": r"seller_.*",
    },
    "goods": {"brand": r".*brand.*", "kind": r"(?!.*brand).*"},
    "offer": {
        "contact": "|".join(f"{sign}_in_.*" for sign in CONTACTS),
        "lot": "|".join(f"{sign}_in_.*" for sign in LOTS),
    },
    "price": {"category": r".*_of_category", "brand": r".*_reference|.*_of_brand"},
    "listing": {
        "age": r"log_age|younger.*|age_unknown",
        "sales": r"log_sales",
        "returns": r"returns.*",
        "rating": r"rating.*|has_reviews",
        "effort": r".*description.*",
        "code": r"has_gtin",
    },
    "seller": {
        "returns": r"returns.*",
        "complaints": r"complaints.*",
        "rating": r"rating.*",
        "strikes": r"log_strikes",
    },
}
"""The features of each group, as patterns of their names, by extractor; each text column is a group of its own."""


class Explainer:
    """Explain what a classifier said of listings.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted.

    Attributes
    ----------
    coefficients : array of shape (n_features,)
    intercept : float
        Those of the classifier, worked out once.
    extractors : dict of str to extractor
    """

    def __init__(self, classifier: CounterfeitClassifier) -> None:
        self.classifier = classifier
        self.coefficients = classifier.coefficients
        self.intercept = classifier.intercept
        self.extractors = dict(classifier.features_.transformer_list)
        self._names: list[str] = []
        self._group_of_feature = self._group_features()

    def reasons(
        self, listings: ListingColumns, contributions: csr_matrix, earlier: Sequence[EarlierListings] | None = None
    ) -> list[tuple[Reason, ...]]:
        """Return the reasons for each listing, the heaviest first; their weights sum to its log-odds.

        Parameters
        ----------
        listings : ListingColumns
        contributions : sparse matrix of shape (n_listings, n_features)
            As `CounterfeitClassifier.contributions` returns them.
        earlier : sequence of EarlierListings, optional
            What is known of each seller's earlier listings; what the model remembers of its training sellers where
            it is not given.
        """
        if earlier is None:
            asked = zip(listings.texts("seller_id"), listing_moments(listings).tolist(), strict=True)
            earlier = [self.classifier.portfolios_.known(*one) for one in asked]
        base = Reason("baseline", BASELINE, self.intercept)
        explained = []
        for row in range(len(listings)):
            part = slice(contributions.indptr[row], contributions.indptr[row + 1])
            weights = np.bincount(
                self._group_of_feature[contributions.indices[part]],
                weights=contributions.data[part],
                minlength=len(self._names),
            )
            one = listings.take(np.array([row]), {})
            reasons = [
                self._reason(one, group, float(weights[group]), earlier[row])
                for group in np.flatnonzero(weights).tolist()
            ]
            explained.append(tuple(sorted([*reasons, base], key=lambda reason: (-abs(reason.weight), reason.feature))))
        return explained

    def highlights(self, title: str) -> tuple[Highlight, ...]:
        """Return which words of a title, as written, carried how much of the log-odds.

        In scripts that write words without spaces, every letter is a part of its own.
        """
        by_letter = self._letter_weights("title", title)
        parts = [match.span() for match in _PART.finditer(title[: by_letter.size])]
        carried = [float(by_letter[start:end].sum()) for start, end in parts]
        smallest = SMALLEST_SHARE * max(map(abs, carried), default=0.0)
        return tuple(
            Highlight(start, end, weight)
            for (start, end), weight in zip(parts, carried, strict=True)
            if abs(weight) > smallest
        )

    def heaviest_words(self, column: str, text: str, sign: float) -> list[str]:
        """Return the words of a text, as written, that carried most weight of one sign."""
        by_letter = self._letter_weights(column, text)
        carried = {
            match.group().strip(".,;:!?()[]\"'"): sign * float(by_letter[match.start() : match.end()].sum())
            for match in re.finditer(r"\S+", text[: by_letter.size])
        }
        return sorted(
            (word for word, weight in carried.items() if word and weight > 0), key=lambda word: -carried[word]
        )

    def _letter_weights(self, column: str, text: str) -> NDArray[np.float64]:
        """Return the weight of each letter as written; what folding dropped carries none."""
        folded, origins = self._fold(column, text)
        weights = self.classifier.features_.transformer_weights or {}
        coefficients = self.coefficients[self._slices[column]] * weights.get(column, 1.0)
        by_folded = self.extractors[column].spread(folded, coefficients)
        by_letter = np.bincount(
            np.array(origins, np.int64), weights=by_folded, minlength=min(len(text), _most_letters(column))
        )
        return by_letter.astype(np.float64)

    def _fold(self, column: str, text: str) -> tuple[str, list[int]]:
        """Return a text as the model reads it and, for each letter, the position at which it was written."""
        fold = self.classifier.spelling_.fold_with_origins if column in SPELT else fold_with_origins
        return fold(text, _most_letters(column))

    def _group_features(self) -> NDArray[np.int32]:
        """Give each feature the number of its group; remember the groups' names and each extractor's columns."""
        number_of: dict[str, int] = {}
        groups: list[NDArray[np.int32]] = []
        self._slices: dict[str, slice] = {}
        start = 0
        for extractor, transformer in self.extractors.items():
            is_text = isinstance(transformer, TextFeatures)
            features = [""] if is_text else list(transformer.get_feature_names_out())
            names = [extractor if is_text else _group_name(extractor, feature) for feature in features]
            numbers = [number_of.setdefault(name, len(number_of)) for name in names]
            width = transformer.idf_.size if is_text else len(names)
            groups.append(np.resize(np.array(numbers, dtype=np.int32), width))
            self._slices[extractor] = slice(start, start + width)
            start += width
        groups.append(np.array([number_of.setdefault(PORTFOLIO, len(number_of))], dtype=np.int32))
        self._names = list(number_of)
        return np.concatenate(groups)

    def _reason(self, listing: ListingColumns, group: int, weight: float, earlier: EarlierListings) -> Reason:
        name = self._names[group]
        facts = Facts(listing, weight, earlier, self.extractors, self.heaviest_words, self._fold)
        return Reason(name, SENTENCES[name](facts), weight)


def _most_letters(column: str) -> int:
    return MAX_LETTERS.get(column, MAX_TITLE_LETTERS)


def _group_name(extractor: str, feature: str) -> str:
    """Return the one group to which a feature belongs."""
    named = [name for name, pattern in GROUPS[extractor].items() if re.fullmatch(pattern, feature)]
    if len(named) != 1:
        raise KeyError(f"{'several reasons cover' if named else 'no reason covers'} the feature {extractor}__{feature}")
    return f"{extractor}.{named[0]}"
