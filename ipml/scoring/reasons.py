"""Why a listing scored as it did: contributions of features turned into sentences and highlighted letters.

Every feature belongs to one group, every group has one sentence, and the weights of the groups sum to the log-odds.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ipml.features.columns import MAX_LETTERS, ListingColumns
from ipml.features.normalise import fold_with_origins
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import Highlight, Reason
from ipml.scoring.sentences import SENTENCES, Row

SMALLEST_SHARE = 0.25  # words that carry less than this share of the heaviest word's weight are not highlighted
BASELINE = "Where every listing starts"
_PART = re.compile(r"[\u2e80-\U0003ffff]|[^\s\u2e80-\U0003ffff]+")
_WHOLE = {"title", "description"}
_GROUPS = {
    "brand": {
        "named": r"named|more_named",
        "disguise": r"disguised.*",
        "contradiction": r"contradicts_field",
        "field": r"field_missing",
        "authorised": r"seller_.*",
    },
    "price": {"category": r".*_category", "missing": r"unknown", "brand": r".*"},
    "listing": {
        "age": r"log_age|younger.*|age_unknown",
        "sales": r"log_sales",
        "returns": r"returns.*",
        "rating": r"rating.*|has_reviews",
        "effort": r".*description.*",
        "code": r"has_gtin",
    },
    "seller": {
        "age": r"log_age|younger.*|age_unknown",
        "sales": r"log_sales|no_sales|history_unknown",
        "returns": r"returns.*",
        "complaints": r"complaints.*",
        "rating": r"rating.*",
        "strikes": r"log_strikes",
        "listings": r"log_listings.*",
    },
}


class Explainer:
    """Explain what a classifier said of listings.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted.
    """

    def __init__(self, classifier: CounterfeitClassifier) -> None:
        self.classifier = classifier
        self.extractors = dict(classifier.features_.transformer_list)
        self._names: list[str] = []
        self._group_of_feature = self._group_features()

    def reasons(self, listings: ListingColumns, contributions: csr_matrix) -> list[tuple[Reason, ...]]:
        """Return the reasons for each listing, the heaviest first; their weights sum to its log-odds.

        Parameters
        ----------
        listings : ListingColumns
        contributions : sparse matrix of shape (n_listings, n_features)
            As `CounterfeitClassifier.contributions` returns them.
        """
        base = Reason("baseline", BASELINE, self.classifier.intercept)
        explained = []
        for row in range(len(listings)):
            part = slice(contributions.indptr[row], contributions.indptr[row + 1])
            weights = np.bincount(
                self._group_of_feature[contributions.indices[part]],
                weights=contributions.data[part],
                minlength=len(self._names),
            )
            reasons = [self._reason(listings, row, group, weights[group]) for group in np.flatnonzero(weights).tolist()]
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
        most_letters = MAX_LETTERS[column]
        folded, origins = fold_with_origins(text, most_letters)
        weights = self.classifier.features_.transformer_weights or {}
        coefficients = self.classifier.coefficients[self._slices[column]] * weights.get(column, 1.0)
        by_folded = self.extractors[column].spread(folded, coefficients)
        by_letter = np.bincount(np.array(origins, np.int64), weights=by_folded, minlength=len(text[:most_letters]))
        return by_letter.astype(np.float64)

    def _group_features(self) -> NDArray[np.int32]:
        """Give each feature the number of its group; remember the groups' names and each extractor's columns."""
        number_of: dict[str, int] = {}
        groups: list[NDArray[np.int32]] = []
        self._slices: dict[str, slice] = {}
        start = 0
        for extractor, transformer in self.extractors.items():
            names = [extractor] if extractor in _WHOLE else list(transformer.get_feature_names_out())
            numbers = [number_of.setdefault(_group_name(extractor, name), len(number_of)) for name in names]
            width = transformer.idf_.size if extractor in _WHOLE else len(names)
            groups.append(np.resize(np.array(numbers, dtype=np.int32), width))
            self._slices[extractor] = slice(start, start + width)
            start += width
        self._names = list(number_of)
        return np.concatenate(groups)

    def _reason(self, listings: ListingColumns, row: int, group: int, weight: float) -> Reason:
        name = self._names[group]
        sentence = SENTENCES[name](Row(listings, row, weight, self.extractors, self.heaviest_words))
        return Reason(name, sentence, float(weight))


def _group_name(extractor: str, feature: str) -> str:
    if extractor in _WHOLE:
        return extractor
    if extractor == "words":
        return f"words.{feature.split('_')[0]}"
    for name, pattern in _GROUPS[extractor].items():
        if re.fullmatch(pattern, feature):
            return f"{extractor}.{name}"
    raise KeyError(f"no reason covers the feature {extractor}__{feature}")
