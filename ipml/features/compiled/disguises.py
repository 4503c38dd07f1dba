"""Count the words that hide what they say in many texts, as `ipml.features.normalisation.count_disguises` does in each.

What kind of letter a character is comes from pages of 256, worked out by the plain function when one of its characters
is first met. Texts that need a look around a character (joiners, flags, full-width letters beside Chinese) are few, and
left to the plain function; so are those in which something seems to hide, but Cyrillic after a digit may be a unit.
"""

from __future__ import annotations

import re
import threading
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Table, bind
from ipml.features import normalisation
from ipml.features.compiled.texts import Texts
from ipml.features.normalisation import MAX_TITLE_LETTERS

_OTHER, _ASCII, _INVISIBLE, _STYLED, _LOOK_ALIKE, _BETWEEN, _EAST_ASIAN, _WIDE_LETTER, _WIDE_SIGN, _JOINED = range(10)
_KINDS = {"other": _OTHER, "ascii": _ASCII, "invisible": _INVISIBLE, "styled": _STYLED, "look-alike": _LOOK_ALIKE}
_NEEDS_A_LOOK = re.compile("[\u200c\u200d\U0001f1e6-\U0001f1ff]")
_PAGE, _N_PAGES = 256, 0x2000
_LEFT, _MISSING = -1, -2


class DisguiseTables(Table):
    """What kind of letter each character is: the number of each page, -1 if not met yet, and the kinds in the pages."""

    _fields_: ClassVar = [("pages", KINDS["int32s"]), ("kinds", KINDS["int8s"])]


_count_disguised = bind("count_disguised", "texts", "int64_t", DisguiseTables, "int64s_out")


def count_disguised_words(texts: Texts) -> NDArray[np.int64]:
    """Return how many words of each text hide what they say, shape (n_texts,).

    Parameters
    ----------
    texts : Texts
        As the sellers wrote them.

    Examples
    --------
    >>> count_disguised_words(Texts.of(["N\u0456ke Air", "\u043a\u0435\u0434\u044b Nike", "Ni\u200bke"])).tolist()
    [1, 0, 1]
    """
    counts = _count(texts)
    while (unread := np.flatnonzero(counts == _MISSING)).size:
        for row in unread.tolist():
            PAGES.fill({ord(letter) >> 8 for letter in set(texts.text(row)[:MAX_TITLE_LETTERS])})
        counts[unread] = _count(texts.take(unread))
    for row in np.flatnonzero(counts == _LEFT).tolist():
        counts[row] = normalisation.count_disguises(texts.text(row))
    return counts


def _count(texts: Texts) -> NDArray[np.int64]:
    counts = np.empty(len(texts.offsets) - 1, dtype=np.int64)
    _count_disguised(texts, MAX_TITLE_LETTERS, PAGES.tables, counts)
    return counts


class _Pages:
    """The kinds of the characters met so far; filling makes new tables, so that those in use never change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers, self._kinds = np.full(_N_PAGES, -1, dtype=np.int32), np.zeros(0, dtype=np.int8)
        self.fill(set())

    def fill(self, pages: set[int]) -> None:
        with self._lock:
            numbers, kinds = self._numbers.copy(), self._kinds
            for page in sorted(pages):
                if numbers[page] < 0:
                    numbers[page] = len(kinds) // _PAGE
                    letters = map(chr, range(page * _PAGE, (page + 1) * _PAGE))
                    kinds = np.concatenate([kinds, np.array([_kind_of(letter) for letter in letters], dtype=np.int8)])
            self._numbers, self._kinds = numbers, kinds
            self.tables = DisguiseTables.of(pages=numbers, kinds=kinds)


def _kind_of(letter: str) -> int:
    if _NEEDS_A_LOOK.match(letter):
        return _JOINED
    if normalisation._EAST_ASIAN.match(letter):
        return _EAST_ASIAN
    if normalisation._FULL_WIDTH.match(letter):
        return _WIDE_LETTER if normalisation._kind_of(letter) == "styled" else _WIDE_SIGN
    if normalisation._BETWEEN_WORDS.fullmatch(letter):
        return _BETWEEN
    return _KINDS[normalisation._kind_of(letter)]


PAGES = _Pages()
