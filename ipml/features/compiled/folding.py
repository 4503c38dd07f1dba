"""Undo disguise in many texts at once: `ipml.features.normalisation.fold_text`, compiled.

Most texts are plain: one pass over their bytes writes them in lower case and sees that there is nothing to undo. Others
are taken apart into characters, and go through the same steps as in the plain function. Few are left to that function
itself: those with words upside down, far scripts that stand for Latin letters, tags that may hide what they hold, or
rare entities.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.alphabets import has_ornaments, read_alphabet, read_ideographs, read_signs_in_words
from ipml.features.compiled.characters import (
    BEGINS_MARKUP,
    CYRILLIC,
    GREEK,
    IDEOGRAPH,
    INVISIBLE,
    LIVING,
    MISSING,
    MOST_LETTERS_OF_A_READING,
    MOST_LETTERS_OF_A_SOUND,
    ORNAMENT,
    PAGES,
    REVERSING,
    SIGN,
    TURNED,
    Characters,
)
from ipml.features.compiled.machine_code import compiled, inner, plain_njit
from ipml.features.compiled.markup import may_hold_markup, unwrap
from ipml.features.compiled.reading import (
    cut,
    decode,
    drop_invisible,
    encode,
    narrow,
    read_alone,
    read_letters,
    turn_round,
    widen,
)
from ipml.features.compiled.screening import (
    HAS_CONTROL,
    HAS_MARKUP,
    HAS_SIGN,
    IS_APART,
    IS_HELD_DOWN,
    fold_ascii,
    is_ascii,
    may_be_apart,
)
from ipml.features.compiled.signs import may_stand_for_letters, read_signs
from ipml.features.compiled.spacing import close_up, open_separators, shorten
from ipml.features.compiled.texts import Texts
from ipml.features.normalisation import MAX_TITLE_LETTERS, fold_text

_WRITTEN, _UNWRAPPED, _READ, _MARKED, _ODD, _LEFT, _FOLDED = range(7)
"""What a text is, at last folded: as written, without markup, or read in ASCII; with markup, with something to undo, or
left to the plain function."""


def fold_texts(texts: Texts, max_letters: int = MAX_TITLE_LETTERS) -> Texts:
    """Return the folded view of each text, as `fold_text` does: what a reader sees, in plain lower-case letters.

    Parameters
    ----------
    texts : Texts
        As the sellers wrote them.
    max_letters : int, default=2000
        Letters of a text beyond this are not read, before folding nor after.

    Examples
    --------
    >>> fold_texts(Texts.of(["Nike  AIR", "r.e.p.l.i.c.a w.a.t.c.h", "Новая куртка"])).strings()
    ['nike air', 'replica watch', 'novaya kurtka']
    """
    offsets, data = texts.offsets, texts.data
    missing = np.zeros(len(PAGES.characters.pages), dtype=np.bool_)
    ends, folded, is_left = _fold(offsets, data, max_letters, missing, *PAGES.characters)
    if is_left.any() and missing.any():
        PAGES.fill(np.flatnonzero(missing).tolist())
        ends, folded, is_left = _fold(offsets, data, max_letters, missing, *PAGES.characters)
    left = np.flatnonzero(is_left)
    plain = [fold_text(texts.text(row), max_letters) for row in left.tolist()]
    return Texts(ends, folded).replace(left, plain)


class _Scratch(NamedTuple):
    """Room to work in, for the longest of some texts."""

    letters: NDArray[np.int64]
    others: NDArray[np.int64]
    read: NDArray[np.int64]
    read_bytes: NDArray[np.uint8]
    unwrapped: NDArray[np.uint8]
    other_bytes: NDArray[np.uint8]


@inner
def _make_scratch(offsets, most):
    longest = 0
    for row in range(offsets.size - 1):
        longest = max(longest, offsets[row + 1] - offsets[row])
    n_bytes = min(longest, 4 * most)
    n_letters = min(longest, most)
    n_read = min(n_letters * MOST_LETTERS_OF_A_READING, most)
    n = max((n_letters + 1) * MOST_LETTERS_OF_A_SOUND, n_read)
    return _Scratch(
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n_read, np.int64),
        np.empty(n_read, np.uint8),
        np.empty(n_bytes, np.uint8),
        np.empty(n_bytes, np.uint8),
    )


@compiled
def _fold(offsets, data, most, missing, pages, entries, letters):
    """Return where the folded texts end, their bytes, and which are left; note the pages that are missing."""
    characters = Characters(pages, entries, letters)
    scratch = _make_scratch(offsets, most)
    room = 4 * scratch.read.size  # bytes that a folded text may take
    folded = np.empty(data.size + room, np.uint8)
    n_rows = offsets.size - 1
    ends = np.zeros(n_rows + 1, np.int64)
    is_left = np.zeros(n_rows, np.bool_)
    for row in range(n_rows):
        first, start = ends[row], offsets[row]
        stop = cut(data, start, offsets[row + 1], most)
        if first + room > folded.size:
            folded = _grow(folded, first, room)
        state, end = _WRITTEN, first
        is_plain = is_ascii(data, start, stop)
        if is_plain:
            state, end = _fold_ascii(data, start, stop, _WRITTEN, folded, first)
        else:
            n = read_alone(data, start, stop, most, characters, scratch.read_bytes)
            if n >= 0:
                state, end = _fold_ascii(scratch.read_bytes, 0, n, _READ, folded, first)
        if state != _FOLDED:
            end = _fold_row(data, start, stop, is_plain, most, characters, missing, scratch, folded, first)
        is_left[row] = end < 0
        ends[row + 1] = end if end >= 0 else first
    return ends, _cut_off(folded, ends[n_rows]), is_left


@inner
def _cut_off(folded, end):
    """Return the first bytes of an array; without a copy, unless most of it would be kept for nothing."""
    return folded[:end].copy() if 2 * end < folded.size else folded[:end]


@inner
def _grow(folded, end, room):
    grown = np.empty(2 * folded.size + room, np.uint8)
    for at in range(end):
        grown[at] = folded[at]
    return grown


@inner
def _fold_row(data, start, stop, is_plain, most, characters, missing, scratch, folded, first):
    """Fold one text; return where it ends, -1 if it is left.

    What was unwrapped or read is looked at again, as a text by itself.
    """
    text, begin, end, state = data, start, stop, _WRITTEN
    while True:
        if is_plain:
            was_read = state == _READ
            state, n = _fold_ascii(text, begin, end, state, folded, first)
            if state == _ODD:
                n = widen(text, begin, end, was_read, scratch.read)
        else:
            state, n = _read(text, begin, end, most, state, characters, missing, scratch)
        if state == _FOLDED:
            return n
        if state == _ODD:
            return _undo(n, scratch.read, scratch.others, folded, first)
        if state == _LEFT:
            return -1
        if state == _READ:
            text, begin, end, is_plain = scratch.read_bytes, 0, n, True
            continue
        n = unwrap(text, begin, end, scratch.unwrapped, scratch.other_bytes)
        if n < 0:
            return -1
        text, begin, end, state = scratch.unwrapped, 0, n, _UNWRAPPED
        is_plain = is_ascii(text, begin, end)


@plain_njit
def _fold_ascii(text, start, end, state, folded, first):
    """Fold an ASCII text; return what it is then, and where it ends."""
    after, why = fold_ascii(text, start, end, folded, first)
    if why == 0:
        return _FOLDED, after
    if state == _WRITTEN and why & HAS_MARKUP and may_hold_markup(text, start, end):
        return _MARKED, after
    is_odd = why & (IS_APART | IS_HELD_DOWN) or (why & HAS_CONTROL and state != _READ)
    if not is_odd and not (why & HAS_SIGN and may_stand_for_letters(folded, first, after)):
        return _FOLDED, after
    return _ODD, after


@inner
def _read(text, start, end, most, state, characters, missing, scratch):
    """Read a text beyond ASCII; return whether all is ASCII now, and the number of characters."""
    letters, others = scratch.letters, scratch.others
    n, seen = decode(text, start, end, characters, missing, letters)
    if seen & BEGINS_MARKUP and state == _WRITTEN and may_hold_markup(text, start, end):
        return _MARKED, 0
    if seen & MISSING:
        return _LEFT, 0
    if seen & REVERSING:
        n = turn_round(letters, n)
    if seen & INVISIBLE:
        n = drop_invisible(letters, n)
    if seen & (ORNAMENT | TURNED) and has_ornaments(letters, n):
        return _LEFT, 0
    if seen & SIGN:
        read_signs_in_words(letters, n, characters)
    for alphabet in (GREEK, CYRILLIC, LIVING):
        if seen & alphabet:
            n = read_alphabet(letters, n, alphabet, characters, others)
            letters, others = others, letters
    if seen & IDEOGRAPH:
        read_ideographs(letters, n, characters)
    n, is_read_in_ascii = read_letters(letters, n, most, characters, scratch.read)
    if not is_read_in_ascii:
        return _ODD, n
    narrow(scratch.read, n, scratch.read_bytes)
    return _READ, n


@plain_njit
def _undo(n, text, other, folded, first):
    """Undo spacing, signs and letters held down in what was read; write the rest and return where it ends."""
    if may_be_apart(text, n):
        n = close_up(text, n)
    open_separators(text, n)
    read_signs(text, n, other)
    n = shorten(text, n)
    return encode(text, n, folded, first)
