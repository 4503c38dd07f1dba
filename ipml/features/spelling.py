"""Spelling: reads misspelt words as the words that they stand for.

Sellers write "rplica", "repilca", "replyka", "repl ica" or "@did@$"; people understand them, n-grams do not. A word
unknown from training is read as a similar known word if there is one; two pieces ("repl.ica") or signs are read as a
known word if they form one. Ordinary words of some thirty languages, and the marketplace's own vocabulary, are never
changed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled import spelling as compiled
from ipml.features.compiled.spelling import LEAST_LETTERS, NO_WORDS, KnownWords, OrdinaryWords
from ipml.features.compiled.texts import Texts
from ipml.features.dictionary import ordinary_words
from ipml.features.normalisation import fold_text, fold_with_origins

MOST_TARGETS = 20_000  # number of most frequent known words that corrections may yield
_LEAST_TEXTS = 2
_WORD = re.compile(r"(?<![^\W_])(?<![*#])[a-z]+(?:[*#][a-z]+)*(?![*#])(?![^\W_])")
_STORED = re.compile(r"(?:[a-z]+(?:[*#][a-z]+)*(?: (?! |$)|$))*+")  # such words, separated by spaces


class Spelling:
    """Known words of listings, and how to read unknown ones.

    Attributes
    ----------
    words : dict of str to int
        The known words, and the number of texts with each.
    trade : frozenset of str
        Words of the trade, known from the start.
    ordinary : OrdinaryWords
        Words that are never changed, known or not.

    Examples
    --------
    >>> spelling = Spelling().fit(["leather belt", "wool belt", "leather watch"], phrases=["replica*"])
    >>> spelling.read_texts(Texts.of(["rplica laether belt", "repl ica"])).strings()
    ['replica leather belt', 'replica']
    """

    def __init__(self) -> None:
        self.words: dict[str, int] = {}
        self.trade: frozenset[str] = frozenset()
        self.ordinary = NO_WORDS

    def fit(self, folded: Iterable[str], phrases: Iterable[str] = ()) -> Self:
        """Learn the words that occur in at least two texts.

        Parameters
        ----------
        folded : iterable of str
            Texts as from `fold_text`.
        phrases : iterable of str
            Words of the trade as people write them; a star at the end stands for any ending. Phrases in other
            alphabets are ignored, since words that sound like them may stand for a Latin word.
        """
        counted = Counter(word for text in folded for word in set(_WORD.findall(text)))
        self.trade = frozenset(word for phrase in phrases if phrase.isascii() for word in _words_of_phrase(phrase))
        known = dict.fromkeys(self.trade, 1) | {word: n for word, n in counted.items() if n >= _LEAST_TEXTS}
        self.words, self.ordinary = dict(sorted(known.items())), ordinary_words()
        self.__setstate__(self.__getstate__())  # discards what was derived from other words
        return self

    def extend(self, other: Spelling) -> None:
        """Add the known words and the ordinary words of another."""
        known = Counter(self.words)
        known.update(other.words)
        self.words, self.trade = dict(sorted(known.items())), self.trade | other.trade
        self.ordinary = self.ordinary.join(other.ordinary)
        self.__setstate__(self.__getstate__())  # discards what was derived from other words

    def read_texts(self, folded: Texts) -> Texts:
        """Return folded texts with misspelt words corrected."""
        return compiled.read_texts(folded, self.known.words, self.ordinary)

    def fold_with_origins(self, text: str, max_letters: int) -> tuple[str, list[int]]:
        """Return `fold_text` with misspelt words corrected, and each letter's position in the text as written."""
        folded, origins = fold_with_origins(text, max_letters)
        read = compiled.read_with_origins(Texts.of_one(folded), self.known.words, self.ordinary)
        return (folded, origins) if read is None else (read[0], [origins[place] for place in read[1].tolist()])

    def know_a_word(self, read: Texts) -> NDArray[np.bool_]:
        """Return whether each text, folded and read, has a longer word known from training or the trade."""
        return compiled.know_a_word(read, self.known.words)

    @cached_property
    def known(self) -> KnownWords:
        """The known words as the engine looks them up."""
        return KnownWords(self.words, self.trade, MOST_TARGETS)

    def __getstate__(self) -> dict[str, Any]:
        """Return the words and their counts as a model file can hold them."""
        counts = np.array(list(self.words.values()), dtype=np.int64)
        trade = " ".join(sorted(self.trade))
        ordinary = {"ordinary_counts": self.ordinary.counts, "ordinary_marks": self.ordinary.marks}
        return {"words": " ".join(self.words), "counts": counts, "trade": trade, **ordinary}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the words; discard everything derived from others.

        Raises
        ------
        ValueError
            The words cannot come from texts, counts are not whole, or the ordinary words are malformed.
        """
        if not _STORED.fullmatch(state["words"]) or state["counts"].dtype != np.int64:
            raise ValueError("found words of other letters than a to z, * and #; expected words as texts have them")
        self.__dict__.clear()
        self.words = dict(zip(state["words"].split(), state["counts"].tolist(), strict=True))
        self.trade = frozenset(state["trade"].split())
        self.ordinary = OrdinaryWords(state["ordinary_counts"], state["ordinary_marks"])


def _words_of_phrase(phrase: str) -> list[str]:
    """Return the longer words of a phrase; a stem only if it is a word."""
    words = [word for word in _WORD.findall(fold_text(phrase.removesuffix("*"))) if len(word) >= LEAST_LETTERS]
    return words if not phrase.endswith("*") or not words or words[-1] in ordinary_words() else words[:-1]
