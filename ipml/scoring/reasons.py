"""Why a listing scored as it did: contributions of features turned into sentences and highlighted letters.

Every feature belongs to one group, every group has one sentence, and the weights of the groups and the
base rate sum to the log-odds.
A long text counts as its most suspicious passage; sentences and highlights read all of it, so that a reviewer finds
every word that would count anywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import MAX_LETTERS, SPELT, ListingColumns
from ipml.features.normalise import MAX_TITLE_LETTERS, fold_with_origins
from ipml.features.portfolio import EarlierListings
from ipml.features.text import TextFeatures
from ipml.model.pipeline import PORTFOLIO, CounterfeitClassifier
from ipml.records import Highlight, Reason
from ipml.scoring.readings import reads_otherwise
from ipml.scoring.sentences import CONTACTS, LOTS, NAMED_WORDS, SENTENCES, WORD_SENTENCES, Facts, no_words

SMALLEST_SHARE = 0.25  # words that carry less than this share of the heaviest word's weight are not highlighted
MOST_HIGHLIGHTS = 100
_LONGEST_READING = 500
_MOST_REMEMBERED = 16
_TEXTS = ("title", "description", "category")
_LEAST_NAMED = 0.01  # of the log-odds, so that a word that a reason names is marked
_LETTER = re.compile("[^\\W\u2e80-\U0003ffff]")
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
    "price": {"category": r".*_of_category", "brand": r".*_reference"},
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
    groups : list of str
        The names of the reasons there may be.
    extractors : dict of str to extractor
    base_rate : float
        The log-odds at which every listing starts.
    """

    def __init__(self, classifier: CounterfeitClassifier) -> None:
        self.classifier = classifier
        self.extractors = dict(classifier.features_.transformer_list)
        self.groups: list[str] = []
        self._groups_of = {name: self._group(name, extractor) for name, extractor in self.extractors.items()}
        self._portfolio = self._number(PORTFOLIO)
        self.base_rate: float = classifier.intercept
        # The same few texts of a listing are asked for again and again.
        self._fold = lru_cache(_MOST_REMEMBERED)(self._fold_text)
        self._letter_weights = lru_cache(_MOST_REMEMBERED)(self._weigh_letters)

    def weigh_groups(self, listing: ListingColumns, share: float) -> NDArray[np.float64]:
        """Return what each group adds to the log-odds of one listing, shape (n_groups,).

        Parameters
        ----------
        listing : ListingColumns
        share : float
            The share of suspicion in what its seller listed before.
        """
        stages = self.classifier.first_stage, self.classifier.second_stage_
        weights = np.zeros(len(self.groups))
        for name, parts in stages[0].contributions(stages[0].worst(listing)).items():
            weights += np.bincount(self._groups_of[name], stages[1].slope_ * parts, len(weights))
        weights[self._portfolio] = stages[1].portfolio_weight_ * share
        return weights

    def reasons(
        self, listing: ListingColumns, weights: NDArray[np.float64], earlier: EarlierListings
    ) -> tuple[Reason, ...]:
        """Return the reasons for one listing, the heaviest first; with the base rate they sum to its log-odds.

        Parameters
        ----------
        listing : ListingColumns
        weights : array of shape (n_groups,)
            As `weigh_groups` returns them.
        earlier : EarlierListings
            What is known of its seller's earlier listings.
        """
        reasons = [
            Reason(name, SENTENCES[name](self._facts(listing, weight, earlier)), weight)
            for name, weight in zip(self.groups, weights.tolist(), strict=True)
            if weight
        ]
        return tuple(sorted(reasons, key=lambda reason: (-abs(reason.weight), reason.feature)))

    def name_words(
        self, listing: ListingColumns, reasons: Iterable[Reason], earlier: EarlierListings
    ) -> dict[str, float]:
        """Return the words that reasons name, as written, and what they weigh: more than 0 if any reason for suspicion.

        What a reason weighs is divided among its words, but for the words of a text, which carry their own weights.
        """
        named: dict[str, float] = {}
        for reason in sorted(reasons, key=lambda reason: reason.weight):
            words = NAMED_WORDS.get(reason.feature, no_words)(self._facts(listing, reason.weight, earlier))
            own = reason.feature in _TEXTS
            for word in words:
                weight = np.sign(reason.weight) * _LEAST_NAMED if own else reason.weight / len(words)
                before = named.get(word, 0.0)
                named[word] = weight if before <= 0 < weight else before + weight
        return named

    def highlights(
        self, text: str, column: str = "title", least: float = 0.0, named: Mapping[str, float] | None = None
    ) -> tuple[Highlight, ...]:
        """Return which words of a text, as written, carried how much of the log-odds; the 100 heaviest of a long one.

        Words that carried no more than `least` are left out. In scripts that write words without spaces, every letter
        is a part of its own. Words that reasons name, as `name_words` returns them, are there whatever their letters
        carried, on the side of the reason.
        """
        by_letter = self._letter_weights(column, text)
        read = text[: len(by_letter)]
        of_letter = _find_named(read, named or {})
        parts = [
            (first, last + 1, of_letter.get(first))
            for match in _PART.finditer(read)
            for first, last in _split(range(*match.span()), of_letter)
        ]
        carried = [sum(by_letter[start:end]) for start, end, _ in parts]
        smallest = max(least, SMALLEST_SHARE * max(map(abs, carried), default=0.0))
        marked: list[tuple[int, Highlight]] = []
        for (start, end, name), weight in zip(parts, carried, strict=True):
            if name is not None:
                sign = math.copysign(1.0, name.weight)
                weight = sign * max(sign * (weight + name.weight), smallest, _LEAST_NAMED)
            if name is not None or abs(weight) > smallest:
                rank = 2 if name is None else min(name.occurrence, 1)
                marked.append((rank, Highlight(start, end, weight)))
        heaviest = sorted(marked, key=lambda ranked: (ranked[0], -abs(ranked[1].weight)))
        return tuple(sorted((part for _, part in heaviest[:MOST_HIGHLIGHTS]), key=lambda part: part.start))

    def read_as(self, title: str) -> str | None:
        """Return a title as the model read it, where a reader would not; None where both read the same words."""
        folded, _ = self._fold("title", title)
        return folded[:_LONGEST_READING] if reads_otherwise(title, folded) else None

    def heaviest_words(self, column: str, text: str, sign: float) -> list[str]:
        """Return the words of a text, as written, that carried most weight of one sign."""
        by_letter = self._letter_weights(column, text)
        carried = {
            match.group().strip(".,;:!?()[]\"'"): sign * sum(by_letter[match.start() : match.end()])
            for match in re.finditer(r"\S+", text[: len(by_letter)])
        }
        return sorted(
            (word for word, weight in carried.items() if word and weight > 0), key=lambda word: -carried[word]
        )

    def _weigh_letters(self, column: str, text: str) -> list[float]:
        """Return the weight of each letter as written; what folding dropped carries none."""
        folded, origins = self._fold(column, text)
        marked = self.classifier.first_stage.text_part(column).marked
        by_folded = self.classifier.second_stage_.slope_ * self.extractors[column].spread(folded, marked)
        by_letter = np.bincount(
            np.array(origins, np.int64), weights=by_folded, minlength=min(len(text), _most_letters(column))
        )
        weights: list[float] = by_letter.astype(np.float64).tolist()
        return weights

    def _fold_text(self, column: str, text: str) -> tuple[str, list[int]]:
        """Return a text as the model reads it and, for each letter, the position at which it was written."""
        fold = self.classifier.spelling_.fold_with_origins if column in SPELT else fold_with_origins
        return fold(text, _most_letters(column))

    def _group(self, name: str, extractor: Any) -> NDArray[np.int64]:
        """Return the number of the group of each feature; the n-grams of a text are one."""
        if isinstance(extractor, TextFeatures):
            return np.array([self._number(name)])
        return np.array([self._number(_group_name(name, feature)) for feature in extractor.get_feature_names_out()])

    def _number(self, group: str) -> int:
        """Return the number of a group, a new one where it was not met before."""
        if group not in self.groups:
            self.groups.append(group)
        return self.groups.index(group)

    def _facts(self, listing: ListingColumns, weight: float, earlier: EarlierListings) -> Facts:
        return Facts(listing, weight, earlier, self.extractors, self.heaviest_words, self._fold)


class _Named(NamedTuple):
    """One place of a word that a reason names: how often it came before, and its weight."""

    start: int
    occurrence: int
    weight: float


def _find_named(text: str, named: Mapping[str, float]) -> dict[int, _Named]:
    """Return for each letter of a text the named word that it is a part of; suspicion goes before, then length."""
    of_letter: dict[int, _Named] = {}
    lowered = text.casefold()
    for word, weight in sorted(named.items(), key=lambda item: (item[1] <= 0, -len(item[0]))):
        if word.casefold() not in lowered:
            continue
        places = list(re.finditer(re.escape(word), text, re.IGNORECASE))
        alone = [match for match in places if not _is_within_word(text, match)]
        for occurrence, match in enumerate(alone or places):
            for letter in range(*match.span()):
                of_letter.setdefault(letter, _Named(match.start(), occurrence, weight))
    return of_letter


def _is_within_word(text: str, match: re.Match[str]) -> bool:
    """Say whether a letter or digit stands next to what was found; some scripts write words without spaces."""
    before, after = text[: match.start()][-1:], text[match.end() :][:1]
    return bool(_LETTER.match(before) or _LETTER.match(after))


def _split(letters: range, of_letter: Mapping[int, _Named]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last letter of each stretch of letters that one named word covers, or none."""
    for _, run in groupby(letters, of_letter.get):
        stretch = list(run)
        yield stretch[0], stretch[-1]


def _most_letters(column: str) -> int:
    return MAX_LETTERS.get(column, MAX_TITLE_LETTERS)


def _group_name(extractor: str, feature: str) -> str:
    """Return the one group to which a feature belongs."""
    named = [name for name, pattern in GROUPS[extractor].items() if re.fullmatch(pattern, feature)]
    if len(named) != 1:
        raise KeyError(f"{'several reasons cover' if named else 'no reason covers'} the feature {extractor}__{feature}")
    return f"{extractor}.{named[0]}"
