"""The words of one listing that its reasons name and its page marks, chosen by what the listing loses without them.

The words are taken away, and the listing is scored again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from ipml.features.columns import ListingColumns
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import Highlight

_FEW_LETTERS = 20_000  # read in about the time that a call takes
_LETTER = re.compile("[^\\W\u2e80-\U0003ffff]")


class TextSpan(NamedTuple):
    """Letters `start` to `end` (code points, end excluded) of a text column as written."""

    column: str
    start: int
    end: int


Pieces = frozenset[TextSpan]


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
    """

    def __init__(self, classifier: CounterfeitClassifier, listings: ListingColumns) -> None:
        self._classifier = classifier
        self._listings = listings
        self._whole = classifier.first_stage.log_odds(listings)
        self._known: dict[tuple[int, Pieces], float] = {}

    def of(self, row: int, pieces: Pieces) -> float:
        """Return what one listing loses; it must have been worked out."""
        return self._known[row, pieces] if pieces else 0.0

    def work_out(self, asked: Iterable[tuple[int, Pieces]]) -> None:
        """Work out what each of some listings loses without some pieces, all of them at once."""
        together: dict[tuple[str, ...], list[tuple[int, Pieces]]] = defaultdict(list)
        for row, pieces in dict.fromkeys(asked):
            if pieces and (row, pieces) not in self._known:
                together[tuple(sorted({piece.column for piece in pieces}))].append((row, pieces))
        if len(together) > 1 and self._is_short(together):
            together = {tuple(sorted(set(chain(*together)))): list(chain(*together.values()))}
        for columns, some in together.items():
            self._take_away(columns, some)

    def _is_short(self, together: Mapping[tuple[str, ...], Sequence[tuple[int, Pieces]]]) -> bool:
        """Say whether all texts are so short that reading those again that do not change is quicker than two calls."""
        names = set(chain(*together))
        letters = sum((self._listings.letters(name) for name in names), start=np.zeros(len(self._listings)))
        return bool(sum(letters[row] for some in together.values() for row, _ in some) <= _FEW_LETTERS)

    def _take_away(self, columns: tuple[str, ...], some: Sequence[tuple[int, Pieces]]) -> None:
        """Score listings again without pieces of these columns."""
        rows = np.array([row for row, _ in some])
        texts = {name: self._listings.texts(name) for name in columns}
        written = {
            name: [
                without(texts[name][row], [(piece.start, piece.end) for piece in pieces if piece.column == name])
                for row, pieces in some
            ]
            for name in columns
        }
        left = self._classifier.first_stage.log_odds(self._listings.rewrite(rows, written))
        lost = self._classifier.second_stage_.slope_ * (self._whole[rows] - left)
        self._known |= dict(zip(some, lost.tolist(), strict=True))


def find_word(text: str, word: str) -> list[tuple[int, int]]:
    """Return where a word stands in a text in capitals or not: by itself, or else within others.

    Scripts that are written without spaces have no letters that stand beside a word.

    Examples
    --------
    >>> find_word("Bag, handbag, BAG", "bag"), find_word("handbags", "bag")
    ([(0, 3), (14, 17)], [(4, 7)])
    """
    lowered, sought = text.lower(), word.lower()
    if len(lowered) != len(text):  # a few capitals are two letters when small
        lowered, sought = text, word
    places, at = [], lowered.find(sought)
    while at >= 0 and sought:
        places.append((at, at + len(sought)))
        at = lowered.find(sought, at + len(sought))
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


def without(text: str, places: Iterable[tuple[int, int]]) -> str:
    """Return a text without some places, which may overlap.

    Examples
    --------
    >>> without("AAA grade bag", [(4, 10), (4, 8), (0, 4)])
    'bag'
    """
    kept, at = [], 0
    for start, end in sorted(places):
        kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])


MOST_NAMED = 3
MOST_HIGHLIGHTS = 100
SMALLEST_SHARE = 0.25  # words that carry less than this share of the heaviest word's weight are not highlighted
TEXTS = ("title", "description")
_MOST_WEIGHED = {"title": 20, "description": 12}  # words; each is taken away once, which for long texts is the work
_MOST_PHRASES = 12  # of a group
LEAST_NAMED = 0.01  # of the log-odds, so that a word that a reason names is marked
_PART = re.compile(r"[\u2e80-\U0003ffff]|[^\s\u2e80-\U0003ffff]+")
_SPACE = re.compile(r"\s")
_SIGNS = ".,;:!?()[]{}<>\"'*/|~_=-"
_IS_WORD = re.compile(r"[^\W_]|[\u2e80-\U0003ffff]")  # a picture says something, a dash does not

Loss = Callable[[Pieces], float]
"""Gives by how much the log-odds fall when pieces of the texts are taken away."""


class Word(NamedTuple):
    """A word, or a phrase, as written, and all places in which it stands."""

    text: str
    pieces: Pieces


class NamedWords:
    """Choose the words of one listing.

    Parameters
    ----------
    texts : mapping of str to str
        Title and description as written, as far as they are read.
    phrases : mapping of str to sequence of str
        By group, the phrases that its features found, as written: of each its sentence names some.
    whole : mapping of str to sequence of str
        The same of groups whose sentences name all of them.
    weigh_letters : function of str
        Gives roughly what each letter of a column carries: which words of a long text are worth to be tried.

    Attributes
    ----------
    named : dict of str to list of Word
        By group, the words that its sentence names, the heaviest first.
    """

    def __init__(
        self,
        texts: Mapping[str, str],
        phrases: Mapping[str, Sequence[str]],
        whole: Mapping[str, Sequence[str]],
        weigh_letters: Callable[[str], Sequence[float]],
    ) -> None:
        self._texts = texts
        self._whole = {group: [_stand(texts, word, ("title",)) for word in words] for group, words in whole.items()}
        self._found = {
            group: [_stand(texts, word, TEXTS) for word in words[:_MOST_PHRASES]] for group, words in phrases.items()
        }
        self._parts = {column: list(self._cut(column)) for column in TEXTS}
        self._words = {column: self._read(column, weigh_letters) for column in TEXTS}
        self.named: dict[str, list[Word]] = {}

    def first_asked(self) -> Iterator[Pieces]:
        """Yield what has to be known before `choose`."""
        for words in (*self._found.values(), *(self._words[column].values() for column in TEXTS)):
            yield from (word.pieces for word in words)

    def choose(self, loss: Loss) -> None:
        """Choose which words are named: of each group the heaviest of the weightier side, and no word twice."""
        taken: set[tuple[str, int]] = set()
        by_text = ((column, list(self._words[column].values())) for column in TEXTS)
        for group, found in (*self._found.items(), *self._whole.items(), *by_text):
            is_whole = group in self._whole
            free = (word for word in found if is_whole or taken.isdisjoint(_letters(word.pieces)))
            self.named[group] = list(free) if is_whole else _weightier(list(free), loss)
            taken.update(_letters(join(self.named[group])))

    def then_asked(self) -> Iterator[Pieces]:
        """Yield what has to be known before `weigh` and `highlights`."""
        yield from map(join, self.named.values())

    def weigh(self, loss: Loss) -> dict[str, float]:
        """Return by group what the listing loses without the words named, on the side of the heaviest."""
        for group, words in self.named.items():
            if group not in self._whole and len(words) > 1 and loss(join(words)) * loss(words[0].pieces) < 0:
                self.named[group] = words[:1]
        return {group: loss(join(words)) for group, words in self.named.items()}

    def highlights(self, column: str, loss: Loss, least: float = 0.0) -> tuple[Highlight, ...]:
        """Return what is lost without each word of a text, wherever it stands; of a long text the 100 heaviest places.

        Words that carry no more than `least` are left out. Words that sentences name are there, on their side.
        """
        sides = self._sides(column, loss)
        words, text = self._words[column], self._texts[column]
        carried = {known: loss(word.pieces) for known, word in words.items()}
        smallest = max(least, SMALLEST_SHARE * max(map(abs, carried.values()), default=0.0))
        marked: list[tuple[bool, Highlight]] = []
        for start, end in self._parts[column]:
            weight = carried.get(text[start:end].casefold(), 0.0)
            side = max({sides[at] for at in range(start, end) if at in sides}, default=0)
            if side:
                weight = side * max(side * weight, LEAST_NAMED)
            if side or abs(weight) > smallest:
                marked.append((not side, Highlight(start, end, weight)))
        heaviest = sorted(marked, key=lambda one: (one[0], -abs(one[1].weight)))[:MOST_HIGHLIGHTS]
        return tuple(sorted((part for _, part in heaviest), key=lambda part: part.start))

    def _sides(self, column: str, loss: Loss) -> dict[int, int]:
        """Return by letter of a text the side of the reason that names it; suspicion goes before."""
        sides: dict[int, int] = {}
        for group, words in self.named.items():
            lost = 0.0 if group in self._whole else loss(join(words))
            side = (lost > 0) - (lost < 0)
            for where, at in _letters(join(words)) if side else ():
                if where == column:
                    sides[at] = max(side, sides.get(at, side))
        return sides

    def _read(self, column: str, weigh_letters: Callable[[str], Sequence[float]]) -> dict[str, Word]:
        """Return the words of a text that are worth to be tried."""
        text, parts = self._texts[column], self._parts[column]
        known: dict[str, tuple[int, int]] = {}
        for start, end in parts:
            known.setdefault(text[start:end].casefold(), (start, end))
        if len(known) > _MOST_WEIGHED[column]:
            letters = weigh_letters(column)
            rough = {word: abs(sum(letters[start:end])) for word, (start, end) in known.items()}
            known = {
                word: known[word] for word in sorted(known, key=lambda word: -rough[word])[: _MOST_WEIGHED[column]]
            }
        return {word: _stand(self._texts, text[start:end], (column,)) for word, (start, end) in known.items()}

    def _cut(self, column: str) -> Iterator[tuple[int, int]]:
        """Yield where the words of a text stand, without the signs around them; a phrase without spaces is one."""
        text, at = self._texts[column], 0
        found = (word for words in (*self._found.values(), *self._whole.values()) for word in words)
        spans = {(start, end) for word in found for name, start, end in word.pieces if name == column}
        for start, end in (*sorted(spans, key=lambda span: (span[0], -span[1])), (len(text), len(text))):
            if start >= at and not _SPACE.search(text, start, end):
                yield from _find_parts(text, at, start)
                if start < end:
                    yield start, end
                at = end


def _find_parts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield where words stand between two places of a text."""
    for part in _PART.finditer(text, start, end):
        bare = part.group().strip(_SIGNS)
        if _IS_WORD.search(bare):
            begin = part.end() - len(part.group().lstrip(_SIGNS))
            yield begin, begin + len(bare)


def join(words: Sequence[Word]) -> Pieces:
    """Return the pieces of all words."""
    return words[0].pieces if len(words) == 1 else frozenset().union(*(word.pieces for word in words))


def _stand(texts: Mapping[str, str], word: str, columns: Sequence[str]) -> Word:
    return Word(word, frozenset(TextSpan(name, *place) for name in columns for place in find_word(texts[name], word)))


def _letters(pieces: Pieces) -> Iterator[tuple[str, int]]:
    """Yield all letters of pieces."""
    return ((piece.column, at) for piece in pieces for at in range(piece.start, piece.end))


def _weightier(words: Sequence[Word], loss: Loss) -> list[Word]:
    """Return the heaviest words of the side that weighs more; the first ones where none weighs anything by itself."""
    lost = sorted(words, key=lambda word: -abs(loss(word.pieces)))
    sides = [[word for word in lost if sign * loss(word.pieces) > 0][:MOST_NAMED] for sign in (1, -1)]
    heavier = max(sides, key=lambda side: sum(abs(loss(word.pieces)) for word in side))
    return heavier or lost[:MOST_NAMED]
