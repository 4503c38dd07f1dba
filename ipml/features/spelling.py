"""Misspelt words, read as the words they stand for.

Sellers write "rplica", "repilca", "replyka", "repl ica" or "@did@$"; people read on, n-grams do not. A word that
training has not met is read as one that it knows if `dictionary.py` finds one; two pieces ("repl.ica"), if together
they are a known word; signs, if they make one. Ordinary words of English and Spanish, and what the marketplace itself
writes, are never touched, whatever they resemble.
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
from ipml.features.compiled.known_words import make_known
from ipml.features.compiled.texts import Texts
from ipml.features.compiled.words import Words
from ipml.features.dictionary import GAPS, LEAST_LETTERS, KnownWords, compiled_ordinary_words, ordinary_words
from ipml.features.look_alikes import Origins, Rewritten, rewrite, unchanged
from ipml.features.normalisation import fold_text, fold_with_origins

MOST_TARGETS = 20_000  # the most frequent known words, which others may stand for
_MOST_REMEMBERED = 100_000
_LEAST_TEXTS = 2
_WORD = re.compile(r"(?<![^\W_])(?<![*#])[a-z]+(?:[*#][a-z]+)*(?![*#])(?![^\W_])")
_WITH_SIGNS = re.compile(r"(?<!\S)(?=[^\s@$!|]*[@$!|])[a-z0-9@$!|(+]+(?!\S)")
_AS_LETTERS = str.maketrans("@$!|(+013457", "asilctoieast")
_GAP = re.compile(rf"(?<=[a-z])[{re.escape(GAPS)}](?=[a-z])")
_PIECE = re.compile(rf"[^{re.escape(GAPS)}]*")


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
    >>> spelling.fold_text("Rplica laether belt, repl ica", 100)
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
            Words of the trade as people write them; a star at the end stands for any ending. Those in other alphabets
            are not taken: what sounds like them may stand for a Latin word.
        """
        counted = Counter(word for text in folded for word in set(_WORD.findall(text)))
        self.trade = frozenset(word for phrase in phrases if phrase.isascii() for word in _words_of_phrase(phrase))
        known = dict.fromkeys(self.trade, 1) | {word: n for word, n in counted.items() if n >= _LEAST_TEXTS}
        self.words = dict(sorted(known.items()))
        self.__setstate__(self.__getstate__())  # forgets what followed from other words
        return self

    def extend(self, other: Spelling) -> None:
        """Know also the words that another knows."""
        known = Counter(self.words)
        known.update(other.words)
        self.words, self.trade = dict(sorted(known.items())), self.trade | other.trade
        self.__setstate__(self.__getstate__())  # forgets what followed from other words

    def fold_text(self, text: str, max_letters: int) -> str:
        """Return the folded view of a text, its misspelt words read as the words they stand for."""
        return self.read_text(fold_text(text, max_letters))

    def read_text(self, folded: str) -> str:
        """Return a text that is folded already, its misspelt words read as the words they stand for."""
        return self._correct(folded, None)[0]

    def read_texts(self, folded: Texts) -> Texts:
        """Return what `read_text` does of each of many folded texts, in a fraction of the time.

        Examples
        --------
        >>> spelling = Spelling().fit(["leather belt", "wool belt", "leather watch"], phrases=["replica*"])
        >>> spelling.read_texts(Texts.of(["rplica laether", "belt"])).strings()
        ['replica leather', 'belt']
        """
        if self._compiled is None:
            return Texts.of([self.read_text(text) for text in folded.strings()])
        return compiled.read_texts(folded, self._compiled, compiled_ordinary_words())

    def fold_with_origins(self, text: str, max_letters: int) -> tuple[str, list[int]]:
        """Return what `fold_text` does and, for each of its letters, the position in the text that it comes from."""
        folded, origins = fold_with_origins(text, max_letters)
        texts = Texts.of_one(folded)
        if self.read_texts(texts) is texts:  # no word is misspelt, as mostly
            return folded, origins
        folded, read_origins = self._correct(folded, origins)
        assert read_origins is not None
        return folded, read_origins

    def read(self, word: str) -> str:
        """Return the known word that a folded word stands for; itself where it is known, or near none."""
        if word in self.words:
            return word
        found = self._remembered.get(word)  # another thread may forget it at any time
        if found is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            found = word if word in ordinary_words() else self._known.nearest(word) or word
            self._remembered[word] = found
        return found

    def knows_a_word(self, read: str) -> bool:
        """Say whether a text, folded and read, holds a longer word that training or the trade knows."""
        return any(len(word) >= LEAST_LETTERS - 1 and word in self.words for word in _WORD.findall(read))

    def know_a_word(self, read: Texts) -> NDArray[np.bool_]:
        """Return what `knows_a_word` says of each of many texts, folded and read; shape (n_texts,)."""
        if self._compiled is None:
            return np.array([self.knows_a_word(text) for text in read.strings()], dtype=np.bool_)
        return compiled.know_a_word(read, self._compiled)

    def _correct(self, folded: str, origins: Origins) -> tuple[str, Origins]:
        folded, origins = rewrite(_WITH_SIGNS, self._read_signs, folded, origins)
        folded, origins = rewrite(_GAP, self._close, folded, origins)
        return rewrite(_WORD, self._read_word, folded, origins)

    def _read_signs(self, match: re.Match[str]) -> Rewritten:
        letters = match.group().translate(_AS_LETTERS)
        return (letters, list(range(len(letters)))) if self._known.has(letters) else unchanged(match)

    def _close(self, match: re.Match[str]) -> Rewritten:
        """Close the gap between two pieces that are one known word, unless both are words."""
        text, at = match.string, match.start()
        before, after = _piece_before(text, at), _PIECE.match(text, at + 1).group()  # type: ignore[union-attr]
        is_one = self._known.has(before + after) and not (self._is_word(before) and self._is_word(after))
        return ("", []) if is_one else unchanged(match)

    def _read_word(self, match: re.Match[str]) -> Rewritten:
        word, read = match.group(), self.read(match.group())
        return read, [min(at, len(word) - 1) for at in range(len(read))]

    def _is_word(self, piece: str) -> bool:
        return len(piece) > 1 and (piece in self.words or piece in ordinary_words())

    @cached_property
    def _known(self) -> KnownWords:
        often = sorted(self.words, key=lambda word: (-self.words[word], word))
        return KnownWords({word: self.words[word] for word in often[:MOST_TARGETS]}, self.trade)

    @cached_property
    def _compiled(self) -> Words | None:
        """The words as the engine reads them; None where words were put in that no text could have taught."""
        return make_known(self.words, self.trade, MOST_TARGETS)

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


def _piece_before(text: str, end: int) -> str:
    """Return what stands before a place, up to the gap before it."""
    start = end
    while start > 0 and text[start - 1] not in GAPS:
        start -= 1
    return text[start:end]


def _words_of_phrase(phrase: str) -> list[str]:
    """Return the longer words of a phrase; of a stem only if it is a word."""
    words = [word for word in _WORD.findall(fold_text(phrase.removesuffix("*"))) if len(word) >= LEAST_LETTERS]
    return words if not phrase.endswith("*") or not words or words[-1] in ordinary_words() else words[:-1]
