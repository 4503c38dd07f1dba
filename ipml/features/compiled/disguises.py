"""Count the words that hide what they say in many texts, as `ipml.features.normalisation.count_disguises` does in each.

What kind of letter a character is comes from pages of 256, worked out by the plain function when one of its characters
is first met.
"""

from __future__ import annotations

import re
import threading
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Table, bind
from ipml.engine.library import Texts as TextArrays
from ipml.features import normalisation
from ipml.features.compiled.texts import Texts
from ipml.features.normalisation import MAX_TITLE_LETTERS

_KINDS = {kind: number for number, kind in enumerate(("other", "ascii", "invisible", "styled", "look-alike"))}
_BETWEEN, _IN_WORD, _EAST_ASIAN, _BY_COMPANY, _IN_SIZE = 5, 8, 16, 32, 64
_COUNTS_BY_COMPANY = re.compile("[\u200c\u200d\uff01-\uff5e\U0001f1e6-\U0001f1ff]")
_MAY_BE_IN_SIZE = re.compile("[xX\u0400-\u052f\u1c80-\u1c8f]")
_PAGE, _N_PAGES = 256, 0x2000
_MISSING = -1


class DisguiseTables(Table):
    """What kind of letter each character is, and the units of sizes.

    Attributes
    ----------
    pages : array of int32
        The number of each page of 256 characters, -1 for those not met yet.
    kinds : array of int8, shape (256 pages,)
    units : Texts
        Cyrillic, in lower case; the last one may have endings.
    """

    _fields_: ClassVar = [("pages", KINDS["int32s"]), ("kinds", KINDS["int8s"]), ("units", TextArrays)]


_count_disguised = bind("count_disguised", "texts", "int64_t", DisguiseTables, "int64s_out", returns="int64_t")


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
    return counts


def _count(texts: Texts) -> NDArray[np.int64]:
    counts = np.empty(len(texts.offsets) - 1, dtype=np.int64)
    if _count_disguised(texts, MAX_TITLE_LETTERS, PAGES.tables, counts) < 0:
        raise MemoryError("not enough memory to read these texts")
    return counts


class _Pages:
    """The kinds of the characters met so far; filling makes new tables, so that those in use never change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers, self._kinds = np.full(_N_PAGES, -1, dtype=np.int32), np.zeros(0, dtype=np.int8)
        self.fill({0})

    def fill(self, pages: set[int]) -> None:
        with self._lock:
            numbers, kinds = self._numbers.copy(), self._kinds
            for page in sorted(pages):
                if numbers[page] < 0:
                    numbers[page] = len(kinds) // _PAGE
                    letters = map(chr, range(page * _PAGE, (page + 1) * _PAGE))
                    kinds = np.concatenate([kinds, np.array([_kind_of(letter) for letter in letters], dtype=np.int8)])
            self._numbers, self._kinds = numbers, kinds
            self.tables = DisguiseTables.of(pages=numbers, kinds=kinds, units=_UNITS)


def _kind_of(letter: str) -> int:
    is_between = normalisation._BETWEEN_WORDS.fullmatch(letter) is not None
    kind = _BETWEEN if is_between else _KINDS[normalisation._kind_of(letter)]
    return (
        kind
        | _IN_WORD * (letter.isalnum() or letter == "_")
        | _EAST_ASIAN * (normalisation._EAST_ASIAN.match(letter) is not None)
        | _BY_COMPANY * (_COUNTS_BY_COMPANY.match(letter) is not None)
        | _IN_SIZE * (_MAY_BE_IN_SIZE.match(letter) is not None)
    )


_UNITS = Texts.of(normalisation.UNITS)
PAGES = _Pages()
