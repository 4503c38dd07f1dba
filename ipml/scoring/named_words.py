"""The words of one listing that its reasons name and its page marks, chosen by what the listing loses without them.

The words are taken away, and the listing is scored again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import Highlight

_FEW_LETTERS = 20_000  # read in about the time that a call takes
_LETTER = re.compile("[^\\W\u2e80-\U0003ffff]")

Spans = tuple[tuple[int, int], ...]
"""Places of one text as written, in order: where each begins and ends, in code points, the end excluded."""
Pieces = tuple[Spans, ...]
"""Places of title and of description; nothing at all where both have none."""
TEXTS = ("title", "description")
_COLUMNS = {(True, False): TEXTS[:1], (False, True): TEXTS[1:], (True, True): TEXTS}  # by which of them lose something


class Losses:
    """By how much the log-odds of listings fall when pieces of their texts are taken away.

    What is lost by taking a word away is all of it: its n-grams and those that it forms with its neighbours, the brand
    or the kind of goods that it names, the price that it is compared with, another passage that then counts.

    Parameters
    ----------
    classifier : CounterfeitClassifier
        Fitted.
    listings : ListingColumns
        As the classifier reads them.
    whole : array of shape (n_listings,)
        The log-odds of each by itself, with nothing taken away.

    Attributes
    ----------
    known : list of dict of Pieces to float
        What each listing loses, as far as it was worked out.
    """

    def __init__(self, classifier: CounterfeitClassifier, listings: ListingColumns, whole: NDArray[np.float64]) -> None:
        self._classifier = classifier
        self._listings = listings
        self._whole = whole
        self.known: list[dict[Pieces, float]] = [{(): 0.0} for _ in range(len(listings))]

    def work_out(self, asked: Iterable[Iterable[Pieces]]) -> None:
        """Work out what each listing loses without some pieces, an iterable for each; all of them at once."""
        together: dict[tuple[str, ...], list[tuple[int, Pieces]]] = defaultdict(list)
        for row, (known, of_row) in enumerate(zip(self.known, asked, strict=True)):
            for pieces in dict.fromkeys(of_row):
                if pieces not in known:
                    together[_COLUMNS[bool(pieces[0]), bool(pieces[1])]].append((row, pieces))
        if len(together) > 1 and self._is_short(together):
            together = {TEXTS: list(chain(*together.values()))}
        for columns, some in together.items():
            self._take_away(columns, some)

    def _is_short(self, together: Mapping[tuple[str, ...], Sequence[tuple[int, Pieces]]]) -> bool:
        """Say whether all texts are so short that reading those again that do not change is quicker than two calls."""
        letters = sum(map(self._listings.letters, TEXTS), start=np.zeros(len(self._listings))).tolist()
        return sum(letters[row] for some in together.values() for row, _ in some) <= _FEW_LETTERS

    def _take_away(self, columns: tuple[str, ...], some: Sequence[tuple[int, Pieces]]) -> None:
        """Score listings again without pieces of these columns."""
        written = {}
        for name in columns:
            texts, column = self._listings.texts(name), TEXTS.index(name)
            written[name] = [without(texts[row], pieces[column]) for row, pieces in some]
        rows = np.array([row for row, _ in some])
        left = self._classifier.first_stage.log_odds(self._listings.rewrite(rows, written))
        lost = self._classifier.second_stage_.slope_ * (self._whole[rows] - left)
        for (row, pieces), weight in zip(some, lost.tolist(), strict=True):
            self.known[row][pieces] = weight


def find_word(text: str, word: str) -> list[tuple[int, int]]:
    """Return where a word stands in a text in capitals or not: by itself, or else within others.

    Scripts that are written without spaces have no letters that stand beside a word.

    Examples
    --------
    >>> find_word("Bag, handbag, BAG", "bag"), find_word("handbags", "bag")
    ([(0, 3), (14, 17)], [(4, 7)])
    """
    small = text.lower()
    if len(small) != len(text):  # a few capitals are two letters when small
        return _find_places(text, text, word)
    return _find_places(text, small, word.lower())


def _find_places(text: str, small: str, sought: str) -> list[tuple[int, int]]:
    """Return the places of a text at which something stands in the same text in small letters."""
    places, at = [], small.find(sought)
    while at >= 0 and sought:
        places.append((at, at + len(sought)))
        at = small.find(sought, at + len(sought))
    if len(places) < 2:
        return places
    return [place for place in places if not _is_within_word(text, *place)] or places


def widen(text: str, start: int, end: int) -> tuple[int, int]:
    """Return where the words begin and end of which a place is a part.

    Examples
    --------
    >>> widen("2 sneakers", 2, 9)
    (2, 10)
    """
    while start > 0 and _LETTER.match(text[start - 1]) and _LETTER.match(text[start]):
        start -= 1
    while end < len(text) and _LETTER.match(text[end]) and _LETTER.match(text[end - 1]):
        end += 1
    return start, end


def _is_within_word(text: str, start: int, end: int) -> bool:
    """Say whether a letter or digit stands next to a place."""
    return bool(_LETTER.match(text[start - 1 : start]) or _LETTER.match(text[end : end + 1]))


def without(text: str, places: Sequence[tuple[int, int]]) -> str:
    """Return a text without some places, which come in order and may overlap.

    Examples
    --------
    >>> without("AAA grade bag", [(0, 4), (4, 8), (4, 10)])
    'bag'
    """
    if len(places) == 1:
        ((start, end),) = places
        return text[:start] + text[end:]
    kept, at = [], 0
    for start, end in places:
        kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])


MOST_NAMED = 3
MOST_HIGHLIGHTS = 100
SMALLEST_SHARE = 0.25  # words that carry less than this share of the heaviest word's weight are not highlighted
_MOST_WEIGHED = {"title": 20, "description": 12}  # words; each is taken away once, which for long texts is the work
_MOST_PHRASES = 12  # of a group
LEAST_NAMED = 0.01  # of the log-odds, so that a word that a reason names is marked
_SIGNS = ".,;:!?()[]{}<>\"'*/|~_=-"
_PART = re.compile(  # a letter of scripts without spaces, or what stands between spaces, without the signs around it
    r"[\u2e80-\U0003ffff]|(?![{signs}])[^\s\u2e80-\U0003ffff]+(?<![{signs}])".format(signs=re.escape(_SIGNS))
)
_SPACE = re.compile(r"\s")
_IS_WORD = re.compile(r"[^\W_]|[\u2e80-\U0003ffff]")  # a picture says something, a dash does not


class Word(NamedTuple):
    """A word, or a phrase, as written, and all places in which it stands."""

    text: str
    pieces: Pieces


class NamedWords:
    """Choose the words of one listing.

    Parameters
    ----------
    texts : sequence of str
        Title and description as written, as far as they are read.
    phrases : mapping of str to sequence of str
        By group, the phrases that its features found, as written: of each its sentence names some.
    whole : mapping of str to sequence of str
        The same of groups whose sentences name all of them.

    Attributes
    ----------
    named : dict of str to list of Word
        By group, the words that its sentence names, the heaviest first.
    """

    def __init__(
        self, texts: Sequence[str], phrases: Mapping[str, Sequence[str]], whole: Mapping[str, Sequence[str]]
    ) -> None:
        self._texts = texts
        title, description = texts
        self._whole = {
            group: [_make_word(word, find_word(title, word), []) for word in words] for group, words in whole.items()
        }
        self._found = {
            group: [
                _make_word(word, find_word(title, word), find_word(description, word)) for word in words[:_MOST_PHRASES]
            ]
            for group, words in phrases.items()
        }
        found = [word.pieces for words in (*self._found.values(), *self._whole.values()) for word in words]
        self._parts = [
            _cut(text, {span for pieces in found if pieces for span in pieces[column]})
            for column, text in enumerate(texts)
        ]
        self._known: list[dict[str, tuple[int, int]]] = []
        for parts in self._parts:
            known: dict[str, tuple[int, int]] = {}
            for start, end, word in parts:
                known.setdefault(word, (start, end))
            self._known.append(known)
        self._words: list[dict[str, Word]] = [{}, {}]
        self.named: dict[str, list[Word]] = {}
        self._joined: dict[str, Pieces] = {}

    def has_many(self, column: str) -> bool:
        """Say whether a text has more words than are tried, so that `read` has to be told roughly what they carry."""
        return len(self._known[TEXTS.index(column)]) > _MOST_WEIGHED[column]

    def read(self, column: str, letters: NDArray[np.float64] | None = None) -> None:
        """Choose which words of a text are tried.

        Parameters
        ----------
        column : {"title", "description"}
        letters : array of shape (n_letters,), optional
            Roughly what each letter carries, of a text that has many words.
        """
        number = TEXTS.index(column)
        known, text = self._known[number], self._texts[number]
        if letters is not None:
            bounds = np.array(list(known.values())).ravel()
            rough = np.abs(np.add.reduceat(np.append(letters, 0.0), bounds)[::2])
            heaviest = np.argsort(-rough, kind="stable")[: _MOST_WEIGHED[column]].tolist()
            words = list(known)
            known = {words[at]: known[words[at]] for at in heaviest}
        small = text.lower() if len(text.lower()) == len(text) else text
        for word, (start, end) in known.items():
            is_one = small.count(small[start:end]) == 1
            spans = ((start, end),) if is_one else tuple(_find_places(text, small, small[start:end]))
            self._words[number][word] = Word(text[start:end], ((), spans) if number else (spans, ()))

    def first_asked(self) -> Iterator[Pieces]:
        """Yield what has to be known before `choose`."""
        for words in (*self._found.values(), *(of_text.values() for of_text in self._words)):
            yield from [word.pieces for word in words]

    def choose(self, losses: Mapping[Pieces, float]) -> None:
        """Choose which words are named: of each group the heaviest of the weightier side, and no word twice."""
        taken = [bytearray(len(text)) for text in self._texts]
        for group, found in self._found.items():
            self.named[group] = _weightier([word for word in found if _is_free(word, taken)], losses)
            _mark(self.named[group], taken, 1)
        for group, found in self._whole.items():
            self.named[group] = found
            _mark(found, taken, 1)
        for column, flags, words in zip(TEXTS, taken, self._words, strict=True):
            free = [word for word in words.values() if _is_free(word, taken)] if 1 in flags else list(words.values())
            self.named[column] = _weightier(free, losses)
        self._joined = {group: join(words) for group, words in self.named.items()}

    def then_asked(self) -> Iterable[Pieces]:
        """Return what has to be known before `weigh` and `highlights`."""
        return self._joined.values()

    def weigh(self, losses: Mapping[Pieces, float]) -> dict[str, float]:
        """Return by group what the listing loses without the words named, on the side of the heaviest."""
        weights = {}
        for group, words in self.named.items():
            lost = losses[self._joined[group]]
            if len(words) > 1 and group not in self._whole and lost * (heaviest := losses[words[0].pieces]) < 0:
                self.named[group], lost = words[:1], heaviest
            weights[group] = lost
        return weights

    def highlights(
        self, losses: Mapping[Pieces, float], weights: Mapping[str, float], least: Sequence[float]
    ) -> list[tuple[Highlight, ...]]:
        """Return what is lost without each word of a text, wherever it stands; of a long text the 100 heaviest places.

        Words that carry no more than is stated for each text are left out. Words that sentences name are there, on
        the side of their group, by what `weigh` returned.
        """
        sides = self._sides(weights)
        return [self._highlight(number, losses, sides[number], at_least) for number, at_least in enumerate(least)]

    def _highlight(
        self, number: int, losses: Mapping[Pieces, float], sides: bytearray, least: float
    ) -> tuple[Highlight, ...]:
        carried = {known: losses[word.pieces] for known, word in self._words[number].items()}
        smallest = max(least, SMALLEST_SHARE * max(map(abs, carried.values()), default=0.0))
        marked: list[tuple[bool, Highlight]] = []
        for start, end, word in self._parts[number]:
            weight, side = carried.get(word, 0.0), max(sides[start:end])
            if side:
                weight = _SIDES[side] * max(_SIDES[side] * weight, LEAST_NAMED)
            if side or abs(weight) > smallest:
                marked.append((not side, Highlight(start, end, weight)))
        if len(marked) > MOST_HIGHLIGHTS:
            marked = sorted(marked, key=lambda one: (one[0], -abs(one[1].weight)))[:MOST_HIGHLIGHTS]
            marked.sort(key=lambda one: one[1].start)
        return tuple([part for _, part in marked])

    def _sides(self, weights: Mapping[str, float]) -> list[bytearray]:
        """Return by letter of each text the number in `_SIDES` of the reason that names it; suspicion goes before."""
        sides = [bytearray(len(text)) for text in self._texts]
        for number, side in enumerate(_SIDES):
            for group, words in self.named.items():
                if side * weights[group] > 0 and group not in self._whole:
                    _mark(words, sides, number)
        return sides


_SIDES = (0, -1, 1)


def _mark(words: Iterable[Word], marks: Sequence[bytearray], number: int) -> None:
    """Write a number to all letters of words."""
    for word in words:
        for of_text, spans in zip(marks, word.pieces, strict=False):
            for start, end in spans:
                of_text[start:end] = bytes((number,)) * (end - start)


def _is_free(word: Word, taken: Sequence[bytearray]) -> bool:
    """Say whether no letter of a word is taken."""
    for of_text, spans in zip(taken, word.pieces, strict=False):
        for start, end in spans:
            if 1 in of_text[start:end]:
                return False
    return True


def _cut(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int, str]]:
    """Return where the words of a text stand, without the signs around them, and each of them in small letters.

    A phrase without spaces is one word.
    """
    at, parts = 0, []
    for start, end in (*sorted(spans, key=lambda span: (span[0], -span[1])), (len(text), len(text))):
        if start >= at and not _SPACE.search(text, start, end):
            for part in _PART.finditer(text, at, start):
                word = part.group()
                if word.isalnum() or _IS_WORD.search(word):
                    parts.append((*part.span(), word.casefold()))
            if start < end:
                parts.append((start, end, text[start:end].casefold()))
            at = end
    return parts


def _make_word(word: str, in_title: Sequence[tuple[int, int]], in_description: Sequence[tuple[int, int]]) -> Word:
    return Word(word, (tuple(in_title), tuple(in_description)) if in_title or in_description else ())


def join(words: Sequence[Word]) -> Pieces:
    """Return the pieces of all words."""
    if len(words) < 2:
        return words[0].pieces if words else ()
    pieces = [word.pieces for word in words if word.pieces]
    return tuple([tuple(sorted({*chain(*of_text)})) for of_text in zip(*pieces, strict=True)])


def _weightier(words: Sequence[Word], losses: Mapping[Pieces, float]) -> list[Word]:
    """Return the heaviest words of the side that weighs more; the first ones where none weighs anything by itself."""
    if len(words) < 2:
        return list(words)
    lost = sorted([(-abs(loss := losses[word.pieces]), at, loss) for at, word in enumerate(words)])
    sides = [[one for one in lost if sign * one[2] > 0][:MOST_NAMED] for sign in (1, -1)]
    heavier = max(sides, key=lambda side: -sum(weight for weight, _, _ in side))
    return [words[at] for _, at, _ in heavier or lost[:MOST_NAMED]]
