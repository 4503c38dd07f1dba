"""Reasons: sentences with weights that explain a score, and words of the texts with theirs.

Every feature belongs to one group, and every group has one sentence. A group of numbers weighs the sum of its features'
contributions to the log-odds. A group that names words of title or description weighs the loss of log-odds without
them, which anybody can check. Words depend on each other, so their losses do not add up: the remainder is a reason of
its own, and with it all weights and the base rate sum to the log-odds.

If letters of a title were replaced, hidden or separated within words, the page shows the title as the model read it.
Capitals, accents, punctuation, misspellings, and words of another alphabet, read by their sound, are no disguise.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ipml.features.column import MAX_LETTERS, SPELT
from ipml.features.columns import ListingColumns
from ipml.features.compiled.folding import MAX_TITLE_LETTERS, count_disguises, fold_text, fold_with_origins
from ipml.features.compiled.places import Place
from ipml.features.compiled.texts import Texts
from ipml.features.lexicon import KINDS
from ipml.features.own import OwnFeatures
from ipml.features.text import TextFeatures
from ipml.kit.look_alikes import CYRILLIC, GREEK, LIVING_SCRIPTS, SIGN_READINGS
from ipml.model.compiled_stage import StageScores
from ipml.model.parts import OwnPart
from ipml.model.pipeline import PORTFOLIO, CounterfeitClassifier
from ipml.records import REST, EarlierListings, Highlight, Reason
from ipml.scoring.named_words import NAME_WORDS, Named, WordNaming, widen
from ipml.scoring.sentences import CONTACTS, LOTS, OCCLUDED, SENTENCES, WORD_SENTENCES, BatchFacts, Facts

Floats = NDArray[np.float64]

_WORD = re.compile(r"[^\W_]+")
_PILED_MARKS = re.compile("[\u0300-\u036f]{3}")
_IS_ALPHABET = re.compile(f"[{GREEK}{CYRILLIC}{LIVING_SCRIPTS}]")
"""Letters of these are written by people who mean them, if a word has no others."""
_HOMOGLYPHS = frozenset("аеорсухіјѕԁԛԝһ")
"""Cyrillic letters that look exactly like Latin ones: a word of no others is a disguise in a Latin title."""


def undo_disguises(title: str, folded: str, origins: Sequence[int]) -> str | None:
    """Return a title with its disguised words as the model read them; None where no word is disguised.

    Disguised are words in which letters were replaced, hidden or parted. A word of another alphabet that is read by its
    sound is none, nor one that is misspelt.

    Parameters
    ----------
    title : str
        As the seller wrote it.
    folded : str
        As the model read it.
    origins : sequence of int
        For each letter of `folded`, the position in the title that it comes from.

    Examples
    --------
    >>> titles = ("N\\u0456ke Air, \\u043a\\u0435\\u0434\\u044b", "Hat: R e p l i c a", "Ni\\u200bke", "r@lex")
    >>> [undo_disguises(title, *fold_with_origins(title)) for title in titles]
    ['nike Air, кеды', 'Hat: replica', 'nike', 'ralex']
    >>> titles = ("Caf\\u00e9, NIKE!", "\\u0447\\u0430\\u0441\\u044b", "\\U0001f1ee\\U0001f1f9 Dior")
    >>> [undo_disguises(title, *fold_with_origins(title)) for title in titles]
    [None, None, None]
    """
    if title.isascii() and title.lower() == folded:
        return None
    pieces, end = [], 0
    is_latin = sum(letter.isascii() for letter in title if letter.isalpha()) * 2 > sum(map(str.isalpha, title))
    for match in sorted(_WORD.finditer(folded), key=lambda match: min(origins[match.start() : match.end()])):
        places = origins[match.start() : match.end()]
        first, last = min(places), max(places) + 1
        if first >= end and _is_disguised(title[first:last], match.group(), is_latin):
            pieces += [title[end:first], match.group()]
            end = last
    return "".join([*pieces, title[end:]]) if pieces else None


def _is_disguised(written: str, read: str, is_latin: bool) -> bool:
    """Say whether letters of a piece of a title were replaced, hidden or parted, so that the model reads this word."""
    if _PILED_MARKS.search(unicodedata.normalize("NFD", written)):
        return True
    seen = _words(html.unescape(written))
    if seen == _words(read):
        return False
    if count_disguises(written):
        return True
    letters = [letter for letter in unicodedata.normalize("NFKC", written) if letter.isalpha()]
    if len(seen) > 1 or not letters:  # two words that make a third together are a slip
        return bool(letters) and len(_words(fold_text(written))) == 1
    foreign = [letter for letter in letters if not unicodedata.name(letter, "").startswith("LATIN")]
    if not foreign:
        n_digits, n_read = (sum(map(str.isdecimal, text)) for text in (written, read))
        return n_digits > n_read or any(sign in SIGN_READINGS for sign in written) or _words(read) == [seen[0][::-1]]
    looks_latin = is_latin and len(letters) > 1 and set(letters) <= _HOMOGLYPHS
    return looks_latin or not all(map(_IS_ALPHABET.match, foreign))


def _words(text: str) -> list[str]:
    if text.isascii():
        return _WORD.findall(text.lower())
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if unicodedata.category(letter) != "Mn")
    return _WORD.findall("".join(letters).casefold())


TITLE = "title"
"""The group of the n-grams of titles."""
_LONGEST_READING = 500
_LONG_WORD = 100  # letters
_MOST_REMEMBERED = 4_096  # categories, of which there are few
_NAMES_ALL = (("brand.named", "brand"), ("goods.kind", "goods"))  # and whose phrases these are
_PHRASES = tuple(f"words.{kind}" for kind in WORD_SENTENCES)
_NAMING = (*SPELT, *_PHRASES, *(name for name, _ in _NAMES_ALL))
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
    "text_vector": {"likeness": r"component_\d+"},
    "absence": {"fields": r"offset"},
}
"""The features of each group, as patterns of their names, by extractor; each text column is a group of its own."""


class Explanation(NamedTuple):
    """Explanation of one score.

    Attributes
    ----------
    reasons : tuple of Reason
        The heaviest first.
    highlights, description_highlights : tuple of Highlight
        The marks in its title and in its description.
    read_as : str or None
        Its title with its disguises undone, as the model read it; None where no word is disguised.
    """

    reasons: tuple[Reason, ...]
    highlights: tuple[Highlight, ...]
    description_highlights: tuple[Highlight, ...]
    read_as: str | None


class _ReadText:
    """A text as written, as far as it is read, and as the model reads it."""

    def __init__(self, written: str, folded: str, fold: Callable[[str], tuple[str, list[int]]]) -> None:
        self.written, self.folded = written, folded
        self._fold = fold

    @cached_property
    def origins(self) -> Sequence[int]:
        """For each letter of the folded text, the position at which it was written."""
        if self.written.isascii() and self.written.lower() == self.folded:
            return range(len(self.written))
        return self._fold(self.written)[1]

    def letters(self, places: Sequence[Place]) -> Sequence[Place]:
        """Return places that are counted in bytes of the folded text in its letters."""
        if not places or self.folded.isascii():
            return places
        data = np.frombuffer(self.folded.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        before = np.concatenate([[0], np.cumsum((data & 0xC0) != 0x80)])
        return [(number, int(before[start]), int(before[end])) for number, start, end in places]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return where the words begin and end of which letters of the folded text were read."""
        origins = self.origins[start:end]  # a reversed run is written backwards
        return widen(self.written, min(origins), max(origins) + 1)


class Explainer:
    """Explain the scores of a classifier.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted.

    Attributes
    ----------
    groups : list of str
        The names of the reasons there may be.
    base_rate : float
        The log-odds at which every listing starts.
    """

    def __init__(self, classifier: CounterfeitClassifier) -> None:
        self.classifier = classifier
        features = dict(classifier.features_.transformer_list)
        self.groups: list[str] = []
        self._own: dict[str, list[str]] = {}
        groups_of = [self._group(name, extractor) for name, extractor in features.items()]
        self._group_of_each = np.concatenate(groups_of)
        complete = classifier.first_stage.complete
        self.extractors: dict[str, Any] = {name: part.extractor for name, part in complete.items()} | features
        self._portfolio, self._rest = self._number(PORTFOLIO), self._number(REST)
        self._word_naming = WordNaming(_PHRASES, [name for name, _ in _NAMES_ALL])
        is_additive = classifier.first_stage.is_additive  # else every reason is by occlusion
        naming, self._sentences = (_NAMING, SENTENCES) if is_additive else ((), SENTENCES | {REST: OCCLUDED})
        self._naming = [(self._number(name), self._word_naming.groups.index(name)) for name in naming]
        self.base_rate: float = classifier.intercept
        self._carried_by_category = lru_cache(_MOST_REMEMBERED)(self._weigh_category)

    def features_of(self, group: str) -> NDArray[np.intp]:
        """Return which features a group has, the n-grams of a text as one; none where the group is not there."""
        return np.flatnonzero(self._group_of_each == (self.groups.index(group) if group in self.groups else -1))

    def explain(
        self, listings: ListingColumns, earlier: Sequence[EarlierListings], unread: Sequence[int] = ()
    ) -> list[Explanation]:
        """Return why each listing scores as it does.

        Parameters
        ----------
        listings : ListingColumns
            As the classifier reads them.
        earlier : sequence of EarlierListings
            Earlier listings of each seller.
        unread : sequence of int
            The rows whose titles say nothing but for the brands and goods they name.
        """
        stage_scores, parts = self.classifier.first_stage.explain(listings)
        listings = listings.with_readings(stage_scores.readings)
        weights = self._weigh_groups(stage_scores, parts, [of_seller.share for of_seller in earlier])
        texts = [self._read_texts(listings, column) for column in SPELT]
        titles, named = texts[0], self._name_words(listings, texts, stage_scores)
        batch = BatchFacts(listings, self.extractors)
        for row in unread:
            weights[row][self._number(TITLE)] = 0.0
            named[row] = self._word_naming.leave_out(named[row], TITLE, titles[row].written)
        explanations = []
        for row, (of_seller, of_row, title) in enumerate(zip(earlier, named, titles, strict=True)):
            reasons = self._reasons_of_one(Facts(batch, row, of_seller), weights[row], of_row)
            read_as = undo_disguises(title.written, title.folded, title.origins)
            read_as = read_as and read_as[:_LONGEST_READING]
            explanations.append(Explanation(reasons, *of_row.highlights, read_as))
        return explanations

    def _weigh_groups(self, stage_scores: StageScores, parts: Floats, shares: ArrayLike) -> list[list[float]]:
        """Return what the features of each group add to the log-odds of each listing."""
        second, n_groups = self.classifier.second_stage_, len(self.groups)
        places = np.arange(len(parts))[:, np.newaxis] * n_groups + self._group_of_each
        added = np.bincount(places.ravel(), parts.ravel(), len(parts) * n_groups).reshape(-1, n_groups)
        weights = added * second.slope_
        if not self.classifier.first_stage.is_additive:
            rest = stage_scores.log_odds - self.classifier.learner_.intercept_ - parts.sum(axis=1)
            weights[:, self._rest] = second.slope_ * rest
        weights[:, self._portfolio] = second.portfolio_weight_ * np.asarray(shares)
        return weights.tolist()  # type: ignore[no-any-return]

    def _reasons_of_one(self, facts: Facts, weights: list[float], named: Named) -> tuple[Reason, ...]:
        for group, lost in self._naming:
            weights[self._rest] += weights[group] - named.lost[lost]
            weights[group] = named.lost[lost]
        return self.reasons(facts, weights, named.words)

    def reasons(self, facts: Facts, weights: Sequence[float], named: Mapping[str, Sequence[str]]) -> tuple[Reason, ...]:
        """Return a reason for each group that weighs something, and for words of the trade anyway, the heaviest first.

        Parameters
        ----------
        weights : sequence of float
            Weight of each group.
        named : mapping of str to sequence of str
            By group, the words of title and description that its sentence is to name.
        """
        reasons = []
        for name, weight in zip(self.groups, weights, strict=True):
            if weight or (name in _PHRASES and named.get(name)):
                words = named.get(name, ())
                if name == "category":
                    words = self._words_of_category(facts.text("category"), weight)
                reasons.append(Reason(name, self._say(name, facts, weight, words), weight))
        reasons.sort(key=lambda reason: (-abs(reason.weight), reason.feature))
        return tuple(reasons)

    def _say(self, group: str, facts: Facts, weight: float, words: Sequence[str]) -> str:
        """Return the sentence of a group; of one of extractors of one's own, what each of these says."""
        if group in self._sentences:
            return self._sentences[group](facts, weight, words)
        if group not in self._own:
            return f"{group.capitalize()} {'raises' if weight > 0 else 'lowers'} the score"
        parts = [self.classifier.first_stage.parts[name] for name in self._own[group]]
        return "; ".join(
            part.say(facts.batch.listings, facts.row, weight) for part in parts if isinstance(part, OwnPart)
        )

    def name_words(self, listings: ListingColumns, choose: Callable[..., bool] | None = None) -> list[Named]:
        """Return the words of title and description that the reasons of each listing name, and those that are marked.

        Parameters
        ----------
        choose : function, optional
            As `WordNaming.name` takes it; what the model says counts where none is given.
        """
        stage_scores, _ = self.classifier.first_stage.explain(listings)
        listings = listings.with_readings(stage_scores.readings)
        return self._name_words(listings, [self._read_texts(listings, of) for of in SPELT], stage_scores, choose)

    def _name_words(
        self,
        listings: ListingColumns,
        texts: Sequence[list[_ReadText]],
        stage_scores: StageScores,
        choose: Callable[..., bool] | None = None,
    ) -> list[Named]:
        stage, slope = self.classifier.first_stage, self.classifier.second_stage_.slope_
        phrases = [self.extractors["words"].find(listings, column).of_each() for column in SPELT]
        names = {name: listings.places("title", self.extractors[of].phrase_set).of_each() for name, of in _NAMES_ALL}
        found = []
        for row, of_row in enumerate(zip(*texts, strict=True)):
            of_groups = self._find_phrases(of_row, [of_column[row] for of_column in phrases])
            whole = {name: _read_names(of_row[0], places[row]) for name, places in names.items() if places[row]}
            found.append(of_groups | whole)
        if not stage.is_additive:  # nothing is known of single words
            nothing = [0.0] * len(self._word_naming.groups)
            return [Named(nothing, of_groups, ((), ())) for of_groups in found]
        all_texts = [text for of_row in zip(*texts, strict=True) for text in of_row]
        return self._word_naming.name(
            [text.written for text in all_texts],
            found,
            lambda numbers: self._weigh_texts([all_texts[number] for number in numbers], numbers),
            choose
            or partial(stage.compiled(listings.reading).call, NAME_WORDS, listings, slope, stage_scores.by_engine),
        )

    def _weigh_texts(self, texts: Sequence[_ReadText], numbers: Sequence[int]) -> list[Floats]:
        """Return roughly what each letter carries of some texts, which are titles where their numbers are even."""
        sides = [[text for text, number in zip(texts, numbers, strict=True) if number % 2 == side] for side in (0, 1)]
        carried = [iter(self._weigh_letters(*of)) for of in zip(SPELT, sides, strict=True)]
        return [next(carried[number % 2]) for number in numbers]

    def _read_texts(self, listings: ListingColumns, column: str) -> list[_ReadText]:
        most, fold = _most_letters(column), partial(self._fold, column)
        rows = zip(listings.texts(column), listings.folded(column).strings(), strict=True)
        return [_ReadText(written[:most], folded, fold) for written, folded in rows]

    def _find_phrases(self, texts: Sequence[_ReadText], places: Sequence[Sequence[Place]]) -> dict[str, list[str]]:
        """Return by group the phrases of the trade that stand in title and description, as written."""
        if not any(places):
            return {}
        phrases: dict[str, list[str]] = {}
        for text, found in zip(texts, places, strict=True):
            within: dict[int, range] = {}  # the last word in which one of a kind was found
            for kind, start, end in text.letters(found):
                if text.origins[start] in within.get(kind, ()) and text.origins[end - 1] in within[kind]:
                    continue  # else a word of a hundred thousand letters would be read once for each that it holds
                first, last = text.place(start, end)
                phrases.setdefault(f"words.{KINDS[kind]}", []).append(text.written[first:last])
                within[kind] = range(first, last) if last - first > _LONG_WORD else range(0)
        return {group: _each_once(phrases[group]) for group in _PHRASES if group in phrases}

    def _words_of_category(self, text: str, weight: float) -> list[str]:
        """Return the words of a category, as written, that carried most of a weight."""
        sign = np.sign(weight)
        carried = {word: sign * share for word, share in self._carried_by_category(text)}
        return sorted((word for word, share in carried.items() if share > 0), key=lambda word: -carried[word])

    def _weigh_category(self, text: str) -> list[tuple[str, float]]:
        """Return what each word of a category, as written, carries."""
        written = text[: _most_letters("category")]
        read = _ReadText(written, self._fold("category", written)[0], partial(self._fold, "category"))
        (letters,) = self._weigh_letters("category", [read])
        return [(part.group(), sum(letters[slice(*part.span())].tolist())) for part in re.finditer(r"\S+", written)]

    def _weigh_letters(self, column: str, texts: Sequence[_ReadText]) -> list[Floats]:
        """Return the part of the log-odds of each letter of some texts as written, by n-grams alone."""
        if not texts:
            return []
        marked, slope = self.classifier.first_stage.text_part(column).marked, self.classifier.second_stage_.slope_
        by_folded = self.extractors[column].spread(Texts.of([text.folded for text in texts]), marked)
        return [
            slope * carried
            if isinstance(text.origins, range)
            else np.bincount(np.array(text.origins, np.int64), slope * carried, len(text.written)).astype(np.float64)
            for text, carried in zip(texts, by_folded, strict=True)
        ]

    def _fold(self, column: str, text: str) -> tuple[str, list[int]]:
        """Return a text as the model reads it and, for each letter, the position at which it was written."""
        fold = self.classifier.spelling_.fold_with_origins if column in SPELT else fold_with_origins
        return fold(text, _most_letters(column))

    def _group(self, name: str, extractor: Any) -> NDArray[np.int64]:
        """Return the number of the group of each feature; the n-grams of a text are one."""
        if isinstance(extractor, TextFeatures):
            return np.array([self._number(name)])
        if isinstance(extractor, OwnFeatures):
            self._own.setdefault(extractor.group or name, []).append(name)
            return np.array([self._number(extractor.group or name)])
        return np.array([self._number(_group_name(name, feature)) for feature in extractor.get_feature_names_out()])

    def _number(self, group: str) -> int:
        """Return the number of a group, a new one where it was not met before."""
        if group not in self.groups:
            self.groups.append(group)
        return self.groups.index(group)


def _read_names(title: _ReadText, places: Sequence[Place]) -> list[str]:
    """Return what stands in some places of a title, as written."""
    spans = sorted({(start, end) for _, start, end in title.letters(places)})
    return _each_once([title.written[slice(*title.place(start, end))] for start, end in spans])


def _each_once(words: Sequence[str]) -> list[str]:
    """Return words without those that differ from an earlier one in capitals only."""
    first: dict[str, str] = {}
    for word in words:
        first.setdefault(word.casefold(), word)
    return list(first.values())


def _most_letters(column: str) -> int:
    return MAX_LETTERS.get(column, MAX_TITLE_LETTERS)


def _group_name(extractor: str, feature: str) -> str:
    """Return the one group to which a feature belongs; of an extractor that is not ipml's all belong to one."""
    if extractor not in GROUPS:
        return extractor
    named = [name for name, pattern in GROUPS[extractor].items() if re.fullmatch(pattern, feature)]
    if len(named) != 1:
        raise KeyError(f"{'several reasons cover' if named else 'no reason covers'} the feature {extractor}__{feature}")
    return f"{extractor}.{named[0]}"
