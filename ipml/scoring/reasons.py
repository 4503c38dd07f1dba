"""Why a listing scored as it did: sentences with their weights, and the words of its texts with theirs.

Every feature belongs to one group, and every group has one sentence. What a group of numbers weighs is what its
features add to the log-odds. A group that names words of title or description weighs what the listing loses without
them, which anybody can try. Words depend on each other, so that what they lose does not add up: what is left over is
a reason of its own, and with it all weights and the base rate sum to the log-odds.

Where the model read other words in a title than a person sees at a glance, the page shows both. Capitals, accents,
punctuation and words of another alphabet, read by their sound, are no disguise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipml.features.columns import MAX_LETTERS, SPELT, ListingColumns
from ipml.features.look_alikes import is_look_alike
from ipml.features.normalisation import MAX_TITLE_LETTERS, fold_text, fold_with_origins
from ipml.features.portfolio import EarlierListings
from ipml.features.text import TextFeatures
from ipml.model.pipeline import PORTFOLIO, CounterfeitClassifier
from ipml.records import REST, Highlight, Reason
from ipml.scoring.named_words import TEXTS, Loss, Losses, NamedWords, widen
from ipml.scoring.sentences import CONTACTS, LOTS, SENTENCES, WORD_SENTENCES, Facts

_WORD = re.compile(r"[^\W_]+")
_LATIN = re.compile("[a-z]")


def reads_otherwise(title: str, folded: str) -> bool:
    """Tell whether the folded view of a title says other words than are seen in it.

    Parameters
    ----------
    title : str
        As the seller wrote it.
    folded : str
        As the model read it.

    Examples
    --------
    >>> [reads_otherwise(title, fold_text(title)) for title in ("N\\u0456ke AIR", "R e p l i c a", "Ni\\u200bke")]
    [True, True, True]
    >>> [reads_otherwise(title, fold_text(title)) for title in ("Caf\\u00e9, NIKE!", "\\u0447\\u0430\\u0441\\u044b")]
    [False, False]
    """
    if title.isascii() and title.lower() == folded:
        return False
    return _seen_words(title) != _words(folded)


def _words(text: str) -> list[str]:
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if unicodedata.category(letter) != "Mn")
    return _WORD.findall("".join(letters).casefold())


def _seen_words(title: str) -> list[str]:
    words = _WORD.findall("".join(map(_without_accent, unicodedata.normalize("NFC", title))).casefold())
    is_latin = sum(map(len, map(_LATIN.findall, words))) * 2 > sum(map(len, words))
    return [
        said for word in words for said in (_words(_read_by_sound(word, is_latin)) if not word.isascii() else [word])
    ]


@lru_cache(maxsize=4_096)
def _without_accent(letter: str) -> str:
    """Return the Latin letter under an accent; a letter of another alphabet keeps its own, and is read with it."""
    if unicodedata.category(letter) == "Mn":
        return ""
    base = unicodedata.normalize("NFD", letter)[0]
    return base if base.isascii() else letter


def _read_by_sound(word: str, is_latin: bool) -> str:
    """Return a word of another alphabet as its sound; one of look-alikes within a Latin title is none."""
    if _LATIN.search(word) or (is_latin and all(map(is_look_alike, word))):
        return word
    return fold_text(word)


_LEAST_IN_DESCRIPTION = 0.1  # of the log-odds: of a long text, words that change no mind are not worth a mark
_LONGEST_READING = 500
_LONG_WORD = 100  # letters
_MOST_REMEMBERED = 16
_NAMES_ALL = ("brand.named", "goods.kind")
_NAMING = (*TEXTS, *(f"words.{kind}" for kind in WORD_SENTENCES), *_NAMES_ALL)
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
    "picture": {"counterfeit": r"log_counterfeit", "genuine": r"log_genuine"},
    "image": {"likeness": r"component_\d+"},
}
"""The features of each group, as patterns of their names, by extractor; each text column is a group of its own."""


class Explanation(NamedTuple):
    """Why a listing scores as it does: its reasons, and the marks in its title and in its description."""

    reasons: tuple[Reason, ...]
    highlights: tuple[Highlight, ...]
    description_highlights: tuple[Highlight, ...]


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
        self._portfolio, self._rest = self._number(PORTFOLIO), self._number(REST)
        self._naming = {name: self._number(name) for name in _NAMING}
        self.base_rate: float = classifier.intercept
        # The same few texts of a listing are asked for again and again.
        self._fold = lru_cache(_MOST_REMEMBERED)(self._fold_text)

    def explain(self, listings: ListingColumns, earlier: Sequence[EarlierListings]) -> list[Explanation]:
        """Return why each listing scores as it does.

        Parameters
        ----------
        listings : ListingColumns
            As the classifier reads them.
        earlier : sequence of EarlierListings
            What is known of the earlier listings of each one's seller.
        """
        rows = [listings.take(np.array([row])) for row in range(len(listings))] if len(listings) > 1 else [listings]
        words, losses = list(map(self.read_words, rows)), Losses(self.classifier, listings)
        losses.work_out((row, pieces) for row, of_row in enumerate(words) for pieces in of_row.first_asked())
        for row, of_row in enumerate(words):
            of_row.choose(partial(losses.of, row))
        losses.work_out((row, pieces) for row, of_row in enumerate(words) for pieces in of_row.then_asked())
        weights = self.weigh_groups(listings, [known.share for known in earlier])
        return [
            self._explain_one((rows[row], known, weights[row]), words[row], partial(losses.of, row))
            for row, known in enumerate(earlier)
        ]

    def weigh_groups(self, listings: ListingColumns, shares: ArrayLike) -> NDArray[np.float64]:
        """Return what the features of each group add to the log-odds, shape (n_listings, n_groups).

        Parameters
        ----------
        listings : ListingColumns
        shares : array of shape (n_listings,)
            The share of suspicion in what the seller of each listed before.
        """
        first, second = self.classifier.first_stage, self.classifier.second_stage_
        weights = self._sum_groups(listings)
        for row in np.flatnonzero(first.has_passages(listings)).tolist():
            weights[row] = self._sum_groups(first.worst(listings.take(np.array([row]))))[0]
        weights *= second.slope_
        weights[:, self._portfolio] = second.portfolio_weight_ * np.asarray(shares)
        return weights

    def reasons(
        self,
        listing: ListingColumns,
        weights: NDArray[np.float64],
        earlier: EarlierListings,
        named: Mapping[str, Sequence[str]],
    ) -> tuple[Reason, ...]:
        """Return a reason for each group that weighs something, and for words of the trade anyway, the heaviest first.

        Parameters
        ----------
        listing : ListingColumns
        weights : array of shape (n_groups,)
        earlier : EarlierListings
            What is known of its seller's earlier listings.
        named : mapping of str to sequence of str
            By group, the words of title and description that its sentence is to name.
        """
        reasons = []
        for name, weight in zip(self.groups, weights.tolist(), strict=True):
            if weight or (name.startswith("words.") and named.get(name)):
                words = self._words_of_category(listing, weight) if name == "category" else named.get(name, ())
                facts = Facts(listing, weight, earlier, self.extractors, words)
                reasons.append(Reason(name, SENTENCES[name](facts), weight))
        return tuple(sorted(reasons, key=lambda reason: (-abs(reason.weight), reason.feature)))

    def read_words(self, listing: ListingColumns) -> NamedWords:
        """Return the words of one listing, of which none is chosen yet."""
        texts = {column: listing.raw(column).text(0)[: _most_letters(column)] for column in TEXTS}
        phrases: dict[str, list[str]] = {f"words.{kind}": [] for kind in WORD_SENTENCES}
        for column in TEXTS:
            folded, origins = self._fold(column, texts[column])
            within: dict[str, range] = {}  # the last word in which one of a kind was found
            for kind, start, end in self.extractors["words"].find(folded):
                if origins[start] in within.get(kind, ()) and origins[end - 1] in within[kind]:
                    continue  # else a word of a hundred thousand letters would be read once for each that it holds
                first, last = _place(texts[column], origins[start:end])
                phrases[f"words.{kind}"].append(texts[column][first:last])
                within[kind] = range(first, last) if last - first > _LONG_WORD else range(0)
        titles, (folded, origins) = texts["title"], self._fold("title", texts["title"])
        whole: dict[str, list[str]] = {}
        for name in _NAMES_ALL:
            places = listing.places("title", self.extractors[name.partition(".")[0]].phrase_set).of_text(0)
            spans = {(_letters(folded, start), _letters(folded, end)) for _, start, end in places}
            whole[name] = _each_once([_as_written(titles, origins[start:end]) for start, end in sorted(spans)])
        found = {group: _each_once(words) for group, words in phrases.items()}
        return NamedWords(texts, found, whole, lambda column: self._weigh_letters(column, texts[column]))

    def read_as(self, title: str) -> str | None:
        """Return a title as the model read it, where a reader would not; None where both read the same words."""
        folded, _ = self._fold("title", title[: _most_letters("title")])
        return folded[:_LONGEST_READING] if reads_otherwise(title, folded) else None

    def _explain_one(
        self, judged: tuple[ListingColumns, EarlierListings, NDArray[np.float64]], words: NamedWords, loss: Loss
    ) -> Explanation:
        (listing, earlier, weights), lost = judged, words.weigh(loss)
        for name, group in self._naming.items():
            weights[self._rest] += weights[group] - lost[name]
            weights[group] = lost[name]
        named = {name: [word.text for word in some] for name, some in words.named.items()}
        return Explanation(
            self.reasons(listing, weights, earlier, named),
            words.highlights("title", loss),
            words.highlights("description", loss, _LEAST_IN_DESCRIPTION),
        )

    def _sum_groups(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return what the features of each group add to the first stage, each listing read whole."""
        weights = np.zeros((len(listings), len(self.groups)))
        for name, parts in self.classifier.first_stage.contributions(listings).items():
            for row, of_row in enumerate(parts.reshape(len(listings), -1)):
                weights[row] += np.bincount(self._groups_of[name], of_row, len(self.groups))
        return weights

    def _words_of_category(self, listing: ListingColumns, weight: float) -> list[str]:
        """Return the words of the category, as written, that carried most of the weight."""
        text, sign = listing.raw("category").text(0), np.sign(weight)
        letters = self._weigh_letters("category", text)
        carried = {
            part.group(): sign * sum(letters[slice(*part.span())]) for part in re.finditer(r"\S+", text[: len(letters)])
        }
        return sorted((word for word, share in carried.items() if share > 0), key=lambda word: -carried[word])

    def _weigh_letters(self, column: str, text: str) -> list[float]:
        """Return the part of the log-odds of each letter as written, by n-grams alone."""
        folded, origins = self._fold(column, text)
        marked = self.classifier.first_stage.text_part(column).marked
        by_folded = self.classifier.second_stage_.slope_ * self.extractors[column].spread(folded, marked)
        n_letters = min(len(text), _most_letters(column))
        by_letter = np.bincount(np.array(origins, np.int64), weights=by_folded, minlength=n_letters)
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


def _as_written(text: str, origins: Sequence[int]) -> str:
    """Return the words of a text from which letters were read; a reversed run is written backwards."""
    return text[slice(*_place(text, origins))]


def _place(text: str, origins: Sequence[int]) -> tuple[int, int]:
    """Return where the words begin and end from which letters were read."""
    return widen(text, min(origins), max(origins) + 1)


def _letters(text: str, n_bytes: int) -> int:
    """Return how many letters of a text its first bytes are."""
    return n_bytes if text.isascii() else len(text.encode("utf-8", "surrogatepass")[:n_bytes].decode("utf-8", "ignore"))


def _each_once(words: Sequence[str]) -> list[str]:
    """Return words without those that differ from an earlier one in capitals only."""
    first: dict[str, str] = {}
    for word in words:
        first.setdefault(word.casefold(), word)
    return list(first.values())


def _most_letters(column: str) -> int:
    return MAX_LETTERS.get(column, MAX_TITLE_LETTERS)


def _group_name(extractor: str, feature: str) -> str:
    """Return the one group to which a feature belongs."""
    named = [name for name, pattern in GROUPS[extractor].items() if re.fullmatch(pattern, feature)]
    if len(named) != 1:
        raise KeyError(f"{'several reasons cover' if named else 'no reason covers'} the feature {extractor}__{feature}")
    return f"{extractor}.{named[0]}"
