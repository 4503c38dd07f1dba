"""Misspelt words, read as the words they stand for.

Sellers write "rplica", "repilca" or "r*plica"; people read on, n-grams do not. A word that training has not met, one
slip away from one that it knows, is read as that one: a letter left out, put in, swapped, mistyped or hidden behind a
sign, or all vowels left out. Ordinary words of English and Spanish, and what the marketplace itself writes, are never
touched, whatever they resemble.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np
from spellchecker import SpellChecker

from ipml.features.normalise import fold_text, fold_with_origins

LEAST_LETTERS = 5
"""Shorter words have too many neighbours: "copy" and "cosy" are one slip apart."""

LEAST_CONSONANTS = 4
LEAST_CONSONANTS_OF_TRADE = 3  # "rlx" is hardly anything else, but "cds" need not be codes
MOST_TARGETS = 20_000  # the most frequent known words, which others may stand for
_MOST_REMEMBERED = 100_000
_LEAST_TEXTS = 2
_ANY = "*"
_WORD = re.compile(r"(?<![^\W_])(?<![*#])[a-z]+(?:[*#][a-z]+)*(?![*#])(?![^\W_])")
_SIGN = re.compile(r"[*#]")
_VOWEL = re.compile(r"(?<=.)[aeiou]")
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_BESIDE = {(a, b) for keys in _KEYS for x, y in pairwise(keys) for a, b in ((x, y), (y, x))}


@cache
def ordinary_words() -> frozenset[str]:
    """Return the words of everyday English and Spanish; other languages' would cost too much memory.

    Examples
    --------
    >>> "heroes" in ordinary_words(), "hermes" in ordinary_words(), "rplica" in ordinary_words()
    (True, True, False)
    """
    return frozenset(SpellChecker(language=["en", "es"]).word_frequency.keys())


class Spelling:
    """The words that listings use, and how to read those they do not.

    Attributes
    ----------
    words : dict of str to int
        The known words, and how many texts they were in.
    trade : frozenset of str
        Words of the trade, which are known from the start.

    Examples
    --------
    >>> spelling = Spelling().fit(["leather belt", "wool belt", "leather watch"], phrases=["replica*"])
    >>> spelling.fold_text("Rplica laether belt, Repl*ca", 100)
    'replica leather belt, replica'
    """

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.trade: frozenset[str] = frozenset()
        self._remembered: dict[str, str] = {}

    def fit(self, folded: Iterable[str], phrases: Iterable[str] = ()) -> Self:
        """Learn the words that at least two texts use.

        Parameters
        ----------
        folded : iterable of str
            Texts as `fold_text` returns them.
        phrases : iterable of str
            Words of the trade as people write them; a star at the end stands for any ending.
        """
        counted = Counter(word for text in folded for word in set(_WORD.findall(text)))
        self.trade = frozenset(word for phrase in phrases for word in _words_of_phrase(phrase))
        known = dict.fromkeys(self.trade, 1) | {word: n for word, n in counted.items() if n >= _LEAST_TEXTS}
        self.words = dict(sorted(known.items()))
        self.__setstate__(self.__getstate__())  # forgets what followed from other words
        return self

    def fold_text(self, text: str, max_letters: int) -> str:
        """Return the folded view of a text, its misspelt words read as the words they stand for."""
        folded = fold_text(text, max_letters)
        return _WORD.sub(lambda match: self.read(match.group()), folded)

    def fold_with_origins(self, text: str, max_letters: int) -> tuple[str, list[int]]:
        """Return what `fold_text` does and, for each of its letters, the position in the text that it comes from."""
        folded, origins = fold_with_origins(text, max_letters)
        parts: list[str] = []
        places: list[int] = []
        end = 0
        for match in _WORD.finditer(folded):
            start, stop, read = match.start(), match.end(), self.read(match.group())
            parts += (folded[end:start], read)
            places += (*range(end, start), *(min(start + letter, stop - 1) for letter in range(len(read))))
            end = stop
        places += range(end, len(folded))
        return "".join((*parts, folded[end:])), [origins[place] for place in places]

    def read(self, word: str) -> str:
        """Return the known word that a folded word stands for; itself where it is known, or near none."""
        if word in self.words:
            return word
        found = self._remembered.get(word)  # another thread may forget it at any time
        if found is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[word] = self._find(word)
        return found

    def _find(self, word: str) -> str:
        hidden = _SIGN.sub(_ANY, word)
        if word in ordinary_words():
            return word
        near = self._of_pattern.get(hidden, []) if _ANY in hidden else self._near(word)
        return max(near, key=lambda known: (self.words[known], known), default=word)

    def _near(self, word: str) -> set[str]:
        """Return the known words one slip away, of which the word keeps the first letter or strikes the key beside."""
        one_more = (f"{word[:at]}{_ANY}{word[at:]}" for at in range(1, len(word) + 1))
        patterns = (*_hide_each(word), *one_more)
        near = {known for pattern in patterns for known in self._of_pattern.get(pattern, ())}
        near |= self._targets.intersection(_drop_each(word))
        near = {known for known in near if len(known) >= LEAST_LETTERS} | self._targets.intersection(_swap_each(word))
        near = {known for known in near if _begins_alike(word, known)}
        return near or set(self._of_consonants.get(word, ()))

    @cached_property
    def _targets(self) -> frozenset[str]:
        often = sorted(self.words, key=lambda word: (-self.words[word], word))
        return frozenset(word for word in often[:MOST_TARGETS] if len(word) >= LEAST_LETTERS - 1)

    @cached_property
    def _of_pattern(self) -> dict[str, list[str]]:
        """The words that a word with one letter hidden may be."""
        return _index((pattern, word) for word in self._targets for pattern in _hide_each(word))

    @cached_property
    def _of_consonants(self) -> dict[str, list[str]]:
        """The words that are left of vowels but at their start."""
        bare = ((_VOWEL.sub("", word), word) for word in self._targets)
        return _index((left, word) for left, word in bare if len(left) >= self._least_consonants(word))

    def _least_consonants(self, word: str) -> int:
        return LEAST_CONSONANTS_OF_TRADE if word in self.trade else LEAST_CONSONANTS

    def __getstate__(self) -> dict[str, Any]:
        """Return the words, and how often each was met, as a model file can hold them."""
        counts = np.array(list(self.words.values()), dtype=np.int64)
        return {"words": " ".join(self.words), "counts": counts, "trade": " ".join(sorted(self.trade))}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Know these words, and nothing that was worked out from others."""
        self.__dict__.clear()
        self.words = dict(zip(state["words"].split(), state["counts"].tolist(), strict=True))
        self.trade = frozenset(state["trade"].split())
        self._remembered = {}


def _words_of_phrase(phrase: str) -> list[str]:
    """Return the longer words of a phrase; of a stem only if it is a word."""
    words = [word for word in _WORD.findall(fold_text(phrase.removesuffix("*"))) if len(word) >= LEAST_LETTERS]
    return words if not phrase.endswith("*") or not words or words[-1] in ordinary_words() else words[:-1]


def _begins_alike(word: str, known: str) -> bool:
    return word[0] == known[0] or (len(word) == len(known) and (word[0], known[0]) in _BESIDE)


def _hide_each(word: str) -> Iterator[str]:
    return (f"{word[:at]}{_ANY}{word[at + 1 :]}" for at in range(len(word)))


def _drop_each(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1 :] for at in range(len(word)))


def _swap_each(word: str) -> Iterator[str]:
    return (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for key, value in pairs:
        index.setdefault(key, []).append(value)
    return index
