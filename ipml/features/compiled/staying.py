"""Find the few texts in which a word may be read as another: the first look of `ipml.features.compiled.spelling`.

Texts are looked at some at a time, in three steps without much to foretell in each: where their words are and what keys
they have, which of these have to be asked for, and the answers. Words repeat: those that stay are remembered.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ipml.features.compiled.known_words import joined_key
from ipml.features.compiled.spelt_words import GAP, STAYS, is_closed, read_word
from ipml.features.compiled.table import (
    LONGEST,
    MAY_BE_JOINED,
    WORDS,
    is_first,
    may_have,
    plain_njit,
    power_of_two,
    spread,
)
from ipml.features.compiled.words import CODE, CODES, LETTER_BITS, SHORT
from ipml.features.slips import LEAST_LETTERS

_BYTES_AT_ONCE = 1 << 15
_MOST_RECENT = 1 << 15
SIGNS = "@$!|"
_IS_SIGN = 1 << 7
_HALF, _ZERO, _ONE = np.uint64(32), np.uint64(0), np.uint64(1)
_READS, _JOINS = 1, 2  # why a word is asked for: for itself, for what it makes with the one before


def _classify_bytes() -> NDArray[np.uint8]:
    """Return the code of each letter, and whether it is a sign that may stand for one."""
    return CODES & CODE.astype(np.uint8) | np.array([_IS_SIGN * (chr(byte) in SIGNS) for byte in range(256)], np.uint8)


_CLASSES = _classify_bytes()


@njit(cache=True, nogil=True)
def find_texts(offsets, data, longest, known, lines, ordinary, ordinary_lines, kinds, scratch):
    """Say which texts have words that are read as others, or gaps that are closed; and which have signs.

    Parameters
    ----------
    offsets, data : the texts
    longest : int
        Bytes of the longest text.
    known, lines, ordinary, ordinary_lines : the words
    kinds : of what kind letters are
    scratch : room for the sounds of words
    """
    n_rows = offsets.size - 1
    most = min(data.size, _BYTES_AT_ONCE + longest) + 2
    places, numbers, ends = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(min(n_rows, most), np.int64)
    asked = np.empty((most // 2 + 1, 3), np.int64)
    may_change, has_sign = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
    recent = np.zeros(min(power_of_two(data.size), _MOST_RECENT), np.uint64)
    first = 0
    while first < n_rows:
        last = first + 1
        while last < n_rows and last - first < ends.size and offsets[last + 1] - offsets[first] < _BYTES_AT_ONCE:
            last += 1
        _find_words(offsets, data, first, last, places, numbers, ends, has_sign)
        n = _choose_words(offsets, data, first, last, known, recent, places, numbers, ends, asked)
        n = _drop_words(known, ordinary, recent, places, numbers, asked, n)
        _ask_words(
            offsets,
            data,
            known,
            lines,
            ordinary,
            ordinary_lines,
            kinds,
            scratch,
            recent,
            places,
            numbers,
            asked,
            n,
            may_change,
        )
        first = last
    return may_change, has_sign


@plain_njit
def _find_words(offsets, data, first, last, places, numbers, ends, needs):
    """Write where each word of some texts starts and ends, and its letters as a number with others in front of it.

    Those of a text end at `ends`; `needs` says whether it has a sign. There are no branches in the loop, since it
    cannot be foretold where words end.
    """
    n = _ZERO
    for row in range(first, last):
        number = was_in = seen = _ZERO
        for at in range(np.uint64(offsets[row]), np.uint64(offsets[row + 1])):
            of_class = np.uint64(_CLASSES[data[at]])
            code = of_class & CODE
            is_in = np.uint64(code != _ZERO)
            places[n], numbers[n] = at, number
            n += is_in ^ was_in
            number = number << LETTER_BITS | code
            seen |= of_class
            was_in = is_in
        places[n], numbers[n] = offsets[row + 1], number
        n += was_in
        ends[row - first] = n
        needs[row] = seen > CODE


@plain_njit
def _choose_words(offsets, data, first, last, known, recent, places, numbers, ends, asked):
    """Write which words are to be asked for, of which text and why; return how many."""
    n = _ZERO
    last_byte = np.uint64(data.size - 1)
    mask = np.uint64(recent.size - 1)
    longest = np.uint64(known[LONGEST])
    short, least = np.uint64(SHORT), np.uint64(LEAST_LETTERS)
    i = _ZERO
    for row in range(first, last):
        start, end = np.uint64(offsets[row]), np.uint64(offsets[row + 1])
        before_end = before_size = before_key = was_open = _ZERO
        while i < np.uint64(ends[row - first]):
            begin, stop = places[i], places[i + _ONE]
            size = stop - begin
            key = numbers[i + _ONE] & ((_ONE << LETTER_BITS * min(size, short)) - _ONE)
            slot = (spread(key) >> _HALF) & mask
            reads = (size > _ONE) & ((recent[slot] != key) | (size > short))
            after_gap = data[max(begin, _ONE) - _ONE] == GAP
            is_open = np.uint64((begin == start) | after_gap)
            is_shut = (stop == end) | (data[min(stop, last_byte)] == GAP)
            both = before_size + size
            may_join = after_gap & is_shut & (was_open != _ZERO) & (begin == before_end + _ONE)
            may_join &= (both >= least) & (both <= longest)
            joined = key if size >= short else before_key << LETTER_BITS * size | key
            may_join &= may_have(known, MAY_BE_JOINED, joined_key(joined, np.int64(both)))
            asked[n, 0], asked[n, 1], asked[n, 2] = i, row, _READS * reads | _JOINS * may_join
            n += np.uint64(reads | may_join)
            before_end, before_size, before_key, was_open = stop, size, key, is_open
            i += np.uint64(2)
    return np.int64(n)


@plain_njit
def _drop_words(known, ordinary, recent, places, numbers, asked, n_asked):
    """Remember those words that one look at a table knows, and no longer ask for them; return how many are left.

    Tables are large: without a branch, the next look need not wait until one has arrived.
    """
    n = 0
    mask = np.uint64(recent.size - 1)
    for j in range(n_asked):
        i, row, why = asked[j, 0], asked[j, 1], asked[j, 2]
        size = np.int64(places[i + 1] - places[i])
        key = _key(numbers[i + 1], size)
        stays = (is_first(known, WORDS, key) | is_first(ordinary, WORDS, key)) & (size <= SHORT)
        slot = (spread(key) >> _HALF) & mask
        recent[slot] = key if stays else recent[slot]
        why &= ~(_READS * stays)
        asked[n, 0], asked[n, 1], asked[n, 2] = i, row, why
        n += why != 0
    return n


@plain_njit
def _ask_words(
    offsets,
    data,
    known,
    lines,
    ordinary,
    ordinary_lines,
    kinds,
    scratch,
    recent,
    places,
    numbers,
    asked,
    n_asked,
    needs,
):
    """Note which texts have a word that is read as another, or two that are one; remember what stays."""
    for j in range(n_asked):
        i, row, why = asked[j, 0], asked[j, 1], asked[j, 2]
        start, end = offsets[row], offsets[row + 1]
        begin, stop = np.int64(places[i]), np.int64(places[i + 1])
        key = _key(numbers[i + 1], stop - begin)
        if why & _READS:
            slot = np.int64(spread(key) >> _HALF) & (recent.size - 1)
            is_short = stop - begin <= SHORT
            if not is_short or recent[slot] != key:
                seen = 0
                for at in range(begin, stop):
                    seen |= CODES[data[at]]
                word = read_word(
                    known, lines, ordinary, ordinary_lines, kinds, key, data, begin, stop, start, end, seen, scratch
                )
                needs[row] |= word >= 0
                if word == STAYS and is_short:
                    recent[slot] = key
        if why & _JOINS:
            before, before_end = np.int64(places[i - 2]), np.int64(places[i - 1])
            before_key = _key(numbers[i - 1], before_end - before)
            needs[row] |= is_closed(
                known, lines, ordinary, ordinary_lines, data, before, before_end, before_key, begin, stop, key
            )


@plain_njit
def _key(number, size):
    """Return the letters of a word as a number, only its last ones if it is long."""
    return number & ((_ONE << LETTER_BITS * np.uint64(min(size, SHORT))) - _ONE)
