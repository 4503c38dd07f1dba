"""The words of one listing that its reasons name and its page marks, chosen by what the listing loses without them.

The words are taken away, and the listing is scored again: what is lost by taking a word away is all of it, its n-grams
and those that it forms with its neighbours, the brand or the kind of goods that it names, the price that it is compared
with, another passage that then counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ipml.model.changes import TEXTS, Pieces, Spans
from ipml.records import Highlight

_LETTER = re.compile("[^\\W\u2e80-\U0003ffff]")


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


MOST_NAMED = 3
MOST_HIGHLIGHTS = 100
SMALLEST_SHARE = 0.25  # words that carry less than this share of the heaviest word's weight are not highlighted
_MOST_WEIGHED = {"title": 20, "description": 12}  # words; each is taken away once, which for long texts is the work
_MOST_PHRASES = 12  # of a group
LEAST_NAMED = 0.01  # of the log-odds, so that a word that a reason names is marked
_SIGNS = ".,;:!?()[]{}<>\"'*/|~_=-"
_WIDE = re.compile("[\u2e80-\U0003ffff]")  # letters of scripts without spaces
_SPACE = re.compile(r"\s")
_IS_WORD = re.compile(r"[^\W_]|[\u2e80-\U0003ffff]")  # a picture says something, a dash does not


Part = tuple[int, int, str]
"""Where a word of a text begins and ends, and the word in small letters."""


class NamedWords:
    """Choose the words of one listing, or phrases. Each has a number, and all places in which it stands.

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
    said : list of str
        Each word by its number, as written.
    asked : list of Pieces
        What is taken away, by the number of the word; with the last ones several words are taken away together. What
        the listing loses without each has to be known.
    named : dict of str to list of int
        By group, the words that its sentence names, the heaviest first.
    """

    def __init__(
        self, texts: Sequence[str], phrases: Mapping[str, Sequence[str]], whole: Mapping[str, Sequence[str]]
    ) -> None:
        self._texts = texts
        self.said: list[str] = []
        self.asked: list[Pieces] = []
        title, description = texts
        self._whole = {
            group: [self._ask(word, find_word(title, word), ()) for word in words] for group, words in whole.items()
        }
        self._found = {
            group: [
                self._ask(word, find_word(title, word), find_word(description, word)) for word in words[:_MOST_PHRASES]
            ]
            for group, words in phrases.items()
        }
        self._parts = [_cut(text, chain(*[of[at] for of in self.asked])) for at, text in enumerate(texts)]
        self._words: list[dict[str, int]] = [{}, {}]
        self.named: dict[str, list[int]] = {}
        self._joined: dict[str, int] = {}

    def _ask(self, word: str, in_title: Spans, in_description: Spans) -> int:
        self.said.append(word)
        self.asked.append((in_title, in_description))
        return len(self.asked) - 1

    def has_many(self, column: str) -> bool:
        """Say whether a text has more words than are tried, so that `read` has to be told roughly what they carry."""
        parts = self._parts[TEXTS.index(column)]
        return len(parts) > (most := _MOST_WEIGHED[column]) and len({word for _, _, word in parts}) > most

    def read(self, column: str, letters: NDArray[np.float64] | None = None) -> None:
        """Choose which words of a text are tried.

        Parameters
        ----------
        column : {"title", "description"}
        letters : array of shape (n_letters,), optional
            Roughly what each letter carries, of a text that has many words.
        """
        number = TEXTS.index(column)
        text, words, said, asked = self._texts[number], self._words[number], self.said, self.asked
        parts = self._parts[number] if letters is None else self._find_heaviest(column, letters)
        small = text.lower()
        small = small if len(small) == len(text) else text
        for start, end, word in parts:
            if word not in words:
                words[word] = len(asked)
                sought = small[start:end]
                spans: Spans = ((start, end),) if small.count(sought) == 1 else _find_places(text, small, sought)
                said.append(text[start:end])
                asked.append(((), spans) if number else (spans, ()))

    def _find_heaviest(self, column: str, letters: NDArray[np.float64]) -> list[Part]:
        """Return where each of the words that carry most stands first, the heaviest first."""
        first: dict[str, Part] = {}
        for part in self._parts[TEXTS.index(column)]:
            first.setdefault(part[2], part)
        parts = list(first.values())
        bounds = np.array([part[:2] for part in parts]).ravel()
        rough = np.abs(np.add.reduceat(np.append(letters, 0.0), bounds)[::2])
        return [parts[at] for at in np.argsort(-rough, kind="stable")[: _MOST_WEIGHED[column]].tolist()]

    def choose(self, losses: Sequence[float]) -> None:
        """Choose which words are named: of each group the heaviest of the weightier side, and no word twice.

        Parameters
        ----------
        losses : sequence of float
            What is lost without what was asked for so far. Then `asked` goes on, as `weigh` and `highlights` need it.
        """
        taken = [bytearray(len(text)) for text in self._texts]
        for group, found in self._found.items():
            self.named[group] = _weightier(
                [word for word in found if not any(map(_is_marked, self.asked[word], taken))], losses
            )
            self._mark(self.named[group], taken, 1)
        for group, found in self._whole.items():
            self.named[group] = found
            self._mark(found, taken, 1)
        asked = self.asked
        for number, (column, flags) in enumerate(zip(TEXTS, taken, strict=True)):
            free = list(self._words[number].values())
            if 1 in flags:
                free = [word for word in free if not _is_marked(asked[word][number], flags)]
            self.named[column] = _weightier(free, losses)
        self._joined = {group: self._join(words) for group, words in self.named.items() if words}

    def _join(self, words: Sequence[int]) -> int:
        """Return the number of what is taken away with all words together."""
        if len(words) == 1:
            return words[0]
        in_title = sorted([span for word in words for span in self.asked[word][0]])
        in_description = sorted([span for word in words for span in self.asked[word][1]])
        self.asked.append((in_title, in_description))
        return len(self.asked) - 1

    def weigh(self, losses: Sequence[float]) -> dict[str, float]:
        """Return by group what the listing loses without the words named, on the side of the heaviest."""
        weights = {}
        for group, joined in self._joined.items():
            words, lost = self.named[group], losses[joined]
            if len(words) > 1 and group not in self._whole and lost * (heaviest := losses[words[0]]) < 0:
                self.named[group], lost = words[:1], heaviest
            weights[group] = lost
        return weights

    def texts(self) -> dict[str, list[str]]:
        """Return by group the words named, as written."""
        return {group: [self.said[word] for word in words] for group, words in self.named.items()}

    def highlights(
        self, losses: Sequence[float], weights: Mapping[str, float], least: Sequence[float]
    ) -> list[tuple[Highlight, ...]]:
        """Return what is lost without each word of a text, wherever it stands; of a long text the 100 heaviest places.

        Words that carry no more than is stated for each text are left out. Words that sentences name are there, on
        the side of their group, by what `weigh` returned.
        """
        sides = self._sides(weights)
        return [self._highlight(number, losses, sides[number], at_least) for number, at_least in enumerate(least)]

    def _highlight(self, number: int, losses: Sequence[float], sides: bytearray, least: float) -> tuple[Highlight, ...]:
        carried = {known: losses[word] for known, word in self._words[number].items()}
        smallest = max(least, SMALLEST_SHARE * max(map(abs, carried.values()), default=0.0))
        marked: list[tuple[bool, Highlight]] = []
        for start, end, word in self._parts[number]:
            weight = carried.get(word, 0.0)
            is_named = sides.count(0, start, end) < end - start
            if is_named:
                side = _SIDES[max(sides[start:end])]
                weight = side * max(side * weight, LEAST_NAMED)
            if is_named or abs(weight) > smallest:
                marked.append((not is_named, Highlight(start, end, weight)))
        if len(marked) > MOST_HIGHLIGHTS:
            marked = sorted(marked, key=lambda one: (one[0], -abs(one[1].weight)))[:MOST_HIGHLIGHTS]
            marked.sort(key=lambda one: one[1].start)
        return tuple([part for _, part in marked])

    def _sides(self, weights: Mapping[str, float]) -> list[bytearray]:
        """Return by letter of each text the number in `_SIDES` of the reason that names it; suspicion goes before."""
        sides = [bytearray(len(text)) for text in self._texts]
        for number, side in enumerate(_SIDES):
            for group, weight in weights.items():
                if side * weight > 0 and group not in self._whole:
                    self._mark(self.named[group], sides, number)
        return sides

    def _mark(self, words: Iterable[int], marks: Sequence[bytearray], number: int) -> None:
        """Write a number to all letters of words."""
        for word in words:
            for of_text, spans in zip(marks, self.asked[word], strict=True):
                for start, end in spans:
                    of_text[start:end] = bytes((number,)) * (end - start)


_SIDES = (0, -1, 1)


def _is_marked(spans: Spans, marks: bytearray) -> bool:
    """Say whether some letter of some places is marked with 1."""
    return any(marks.find(1, start, end) >= 0 for start, end in spans)


def _cut(text: str, spans: Iterable[tuple[int, int]]) -> list[Part]:
    """Return where the words of a text stand, without the signs around them, and each of them in small letters.

    A phrase without spaces is one word, and so is a letter of scripts without spaces.
    """
    at, parts = 0, []
    for start, end in (*sorted({*spans}, key=lambda span: (span[0], -span[1])), (len(text), len(text))):
        if start >= at and not _SPACE.search(text, start, end):
            for word in _split(text[at:start]):
                at = text.find(word, at)
                parts.append((at, at + len(word), word.casefold()))
                at += len(word)
            if start < end:
                parts.append((start, end, text[start:end].casefold()))
            at = end
    return parts


def _split(text: str) -> list[str]:
    """Return the words of a text, as they stand.

    Examples
    --------
    >>> _split("(AAA) - 革包, don't!")
    ['AAA', '革', '包', "don't"]
    """
    spaced = text if text.isascii() else _WIDE.sub(r" \g<0> ", text)
    words = [word.strip(_SIGNS) for word in spaced.split()]
    return [word for word in words if word.isalnum() or _IS_WORD.search(word)]


def _weightier(words: list[int], losses: Sequence[float]) -> list[int]:
    """Return the heaviest words of the side that weighs more; the first ones where none weighs anything by itself."""
    if len(words) < 2:
        return words
    lost = [(losses[word], word) for word in words]
    raising = sorted([(-loss, word) for loss, word in lost if loss > 0])[:MOST_NAMED]
    lowering = sorted([one for one in lost if one[0] < 0])[:MOST_NAMED]
    heavier = min(raising, lowering, key=lambda side: sum([weight for weight, _ in side]))
    return [word for _, word in heavier] or words[:MOST_NAMED]
