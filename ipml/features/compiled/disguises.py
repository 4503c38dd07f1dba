"""Count the words that hide what they say in many texts, as `ipml.features.normalisation.count_disguises` does in each.

What kind of letter a character is comes from pages of 256, worked out by the plain function when one of its characters
is first met. Texts that need a look around a character (joiners, flags, full-width letters beside Chinese) are few, and
left to the plain function; so are those in which something seems to hide, but Cyrillic after a digit may be a unit.
"""

from __future__ import annotations

import re
import threading

import numpy as np
from numpy.typing import NDArray

from ipml.features import normalisation
from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.reading import _decode_letter as decode_letter
from ipml.features.compiled.texts import Texts
from ipml.features.normalisation import MAX_TITLE_LETTERS

_OTHER, _ASCII, _INVISIBLE, _STYLED, _LOOK_ALIKE, _BETWEEN, _EAST_ASIAN, _WIDE_LETTER, _WIDE_SIGN, _JOINED = range(10)
_KINDS = {"other": _OTHER, "ascii": _ASCII, "invisible": _INVISIBLE, "styled": _STYLED, "look-alike": _LOOK_ALIKE}
_NEEDS_A_LOOK = re.compile("[\u200c\u200d\U0001f1e6-\U0001f1ff]")
_PAGE, _N_PAGES = 256, 0x2000
_LEFT, _MISSING = -1, -2
_TIMES = tuple(map(ord, "xX\u0445\u0425"))
"""What parts the numbers of a size."""


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
    counts = _count(texts.offsets, texts.data, *PAGES.tables, MAX_TITLE_LETTERS)
    while (unread := np.flatnonzero(counts == _MISSING)).size:
        for row in unread.tolist():
            PAGES.fill({ord(letter) >> 8 for letter in set(texts.text(row)[:MAX_TITLE_LETTERS])})
        again = texts.take(unread)
        counts[unread] = _count(again.offsets, again.data, *PAGES.tables, MAX_TITLE_LETTERS)
    for row in np.flatnonzero(counts == _LEFT).tolist():
        counts[row] = normalisation.count_disguises(texts.text(row))
    return np.asarray(counts)


class _Pages:
    """The kinds of the characters met so far; filling makes new tables, so that those in use never change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.tables = np.full(_N_PAGES, -1, dtype=np.int32), np.zeros(0, dtype=np.int8)

    def fill(self, pages: set[int]) -> None:
        with self._lock:
            numbers, kinds = self.tables[0].copy(), self.tables[1]
            for page in sorted(pages):
                if numbers[page] < 0:
                    numbers[page] = len(kinds) // _PAGE
                    letters = map(chr, range(page * _PAGE, (page + 1) * _PAGE))
                    kinds = np.concatenate([kinds, np.array([_kind_of(letter) for letter in letters], dtype=np.int8)])
            self.tables = numbers, kinds


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


@compiled
def _count(offsets, data, pages, kinds, most):
    counts = np.zeros(offsets.size - 1, np.int64)
    for row in range(offsets.size - 1):
        is_beyond = np.uint8(0)
        for at in range(offsets[row], offsets[row + 1]):
            is_beyond |= data[at]
        if is_beyond >= 0x80:
            counts[row] = _count_in(data, offsets[row], offsets[row + 1], pages, kinds, most)
    return counts


@plain_njit
def _count_in(data, start, end, pages, kinds, most):
    n_disguised = n_letters = 0
    is_east_asian = is_full_width = is_beyond = is_hidden = was_invisible = is_seen = False
    is_after_digit = may_hold_unit = False
    n_ascii = n_alike = n_styled = n_in_word = 0
    at = start
    while at <= end:
        kind = _BETWEEN
        if at < end and n_letters < most:
            code, after = (np.int64(data[at]), at + 1) if data[at] < 0x80 else decode_letter(data, at)
            page = pages[code >> 8]
            if page < 0:
                return _MISSING
            kind = kinds[page * _PAGE + (code & 0xFF)]
            at, n_letters = after, n_letters + 1
        else:
            code, at = 0, end + 1
        if kind == _JOINED:
            return _LEFT
        if is_after_digit:
            may_hold_unit |= 0x400 <= code < 0x530 or 0x1C80 <= code < 0x1C90
            kind = _BETWEEN if code in _TIMES else kind
        is_after_digit = 0x30 <= code < 0x3A
        if kind == _BETWEEN:
            is_mixed = n_ascii > 0 and n_alike + n_styled > 0
            n_disguised += is_beyond and ((is_hidden and is_seen) or is_mixed or n_styled > 1)
            is_beyond = is_hidden = was_invisible = is_seen = False
            n_ascii = n_alike = n_styled = n_in_word = 0
            continue
        is_east_asian |= kind == _EAST_ASIAN
        is_full_width |= kind in (_WIDE_LETTER, _WIDE_SIGN)
        is_hidden |= was_invisible
        was_invisible = kind == _INVISIBLE and n_in_word > 0
        is_seen |= kind != _INVISIBLE
        is_beyond |= code >= 0x80
        n_ascii += kind == _ASCII
        n_alike += kind == _LOOK_ALIKE
        n_styled += kind in (_STYLED, _WIDE_LETTER)
        n_in_word += 1
    needs_a_look = (is_east_asian and is_full_width) or (n_disguised > 0 and may_hold_unit)
    return _LEFT if needs_a_look else n_disguised
