"""Find the few texts in which a word may be read as another: the first look of `ipml.features.compiled.spelling`.

Texts are looked at some at a time, in three steps without much to foretell in each: where their words are and what keys
they have, which of these have to be asked for, and the answers. Words repeat: those that stay are remembered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.known_words import joined_key
from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.spelt_words import IS_GAP, STAYS, is_closed, read_word
from ipml.features.compiled.table import MAY_BE_JOINED, WORDS, is_first, may_have, power_of_two, spread
from ipml.features.compiled.words import CODE, CODES, LETTER_BITS, SHORT

_BYTES_AT_ONCE = 1 << 13
_MOST_RECENT = 1 << 15
SIGNS = "@$!|"
_IS_SIGN = 1 << 7
_HALF, _ZERO, _ONE = np.uint64(32), np.uint64(0), np.uint64(1)
_MOST_LETTERS = np.uint64(SHORT)
_READS, _JOINS = 1, 2  # why a word is asked for: for itself, for what it makes with the one before


def _classify_bytes() -> NDArray[np.uint8]:
    """Return the code of each letter, and whether it is a sign that may stand for one."""
    return CODES & CODE.astype(np.uint8) | np.array([_IS_SIGN * (chr(byte) in SIGNS) for byte in range(256)], np.uint8)


_CLASSES = _classify_bytes()


@compiled
def find_texts(offsets, data, longest, known, lines, ordinary, ordinary_lines, kinds, scratch):
    """Say which texts have words that are read as others, or gaps that are closed, and which have signs.

    Return with it which short words stay, as `recent_slot` finds them.

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
    most = min(data.size + n_rows, _BYTES_AT_ONCE + longest + 1) + 2  # a text of one letter has two places
    places, numbers, ends = np.empty(most, np.uint64), np.empty(most, np.uint64), np.empty(min(n_rows, most), np.int64)
    asked = np.empty(most // 2 + 1, np.int64)
    may_change, has_sign = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
    recent = np.zeros(min(power_of_two(data.size), _MOST_RECENT), np.uint64)
    first = 0
    while first < n_rows:
        last = first + 1
        while last < n_rows and offsets[last + 1] + last + 1 - offsets[first] - first < _BYTES_AT_ONCE:
            last += 1
        _find_words(offsets, data, first, last, places, numbers, ends, has_sign)
        n = _choose_words(known, recent, places, numbers, ends[last - first - 1], asked)
        n = _drop_words(known, ordinary, recent, places, numbers, asked, n)
        words = known, lines, ordinary, ordinary_lines
        _ask_words(offsets, data, first, words, kinds, scratch, recent, places, numbers, ends, asked, n, may_change)
        first = last
    return may_change, has_sign, recent


@plain_njit
def _find_words(offsets, data, first, last, places, numbers, ends, has_sign):
    """Write where each word of some texts starts and ends, and its letters as a number with others in front of it.

    Those of a text end at `ends`. There are no branches in the loop, since it cannot be foretold where words end.
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
        has_sign[row] = seen > CODE


@plain_njit
def _shift_over(size):
    """Return how many bits the letters of a word take in a number that holds its last ones only, if it is long."""
    return LETTER_BITS * min(np.uint64(size), _MOST_LETTERS)


@plain_njit
def _key_at(places, numbers, i):
    """Return the letters of a word as a number, only its last ones if it is long."""
    return numbers[i + 1] & ((_ONE << _shift_over(places[i + 1] - places[i])) - _ONE)


@plain_njit
def recent_slot(recent, key):
    """Return where it is remembered that a short word stays."""
    return (spread(key) >> _HALF) & np.uint64(recent.size - 1)


@plain_njit
def _choose_words(known, recent, places, numbers, end, asked):
    """Write which words are to be asked for and why: twice the number of its place, and a bit for each reason.

    Return how many they are. Two words are one only if both stand between gaps, which is looked at later.
    """
    n = i = before_end = before_size = before_key = _ZERO
    while i < np.uint64(end):
        begin, stop = places[i], places[i + _ONE]
        size = stop - begin
        shift = _shift_over(size)
        key = numbers[i + _ONE] & ((_ONE << shift) - _ONE)
        reads = (size > _ONE) & ((recent[recent_slot(recent, key)] != key) | (size > _MOST_LETTERS))
        joined = joined_key(before_key << shift | key, np.int64(before_size + size))
        joins = (begin == before_end + _ONE) & may_have(known, MAY_BE_JOINED, joined)
        asked[n] = i << _ONE | _READS * reads | _JOINS * joins
        n += np.uint64(reads | joins)
        before_end, before_size, before_key = stop, size, key
        i += np.uint64(2)
    return np.int64(n)


@plain_njit
def _drop_words(known, ordinary, recent, places, numbers, asked, n_asked):
    """Remember those words that one look at a table knows, and no longer ask for them; return how many are left.

    Tables are large: without a branch, the next look need not wait until one has arrived.
    """
    n = 0
    for j in range(n_asked):
        i = asked[j] >> 1 & ~1
        key = _key_at(places, numbers, i)
        stays = is_first(known, WORDS, key) | is_first(ordinary, WORDS, key)
        stays &= places[i + 1] - places[i] <= _MOST_LETTERS
        slot = recent_slot(recent, key)
        recent[slot] = key if stays else recent[slot]
        asked[n] = asked[j] & ~(_READS * np.int64(stays))
        n += asked[n] & (_READS | _JOINS) != 0
    return n


@plain_njit
def _ask_words(offsets, data, first, words, kinds, scratch, recent, places, numbers, ends, asked, n_asked, may_change):
    """Note which texts have a word that is read as another, or two that are one; remember what stays."""
    row = first
    for j in range(n_asked):
        i = asked[j] >> 1 & ~1
        while i >= ends[row - first]:
            row += 1
        start, end = offsets[row], offsets[row + 1]
        if asked[j] & _READS:
            may_change[row] |= _is_read(data, start, end, words, kinds, scratch, recent, places, numbers, i)
        if asked[j] & _JOINS and i - 2 >= (ends[row - first - 1] if row > first else 0):
            may_change[row] |= _is_joined(data, start, end, words, places, numbers, i)


@plain_njit
def _is_read(data, start, end, words, kinds, scratch, recent, places, numbers, i):
    """Say whether a word is read as another one."""
    known, lines, ordinary, ordinary_lines = words
    begin, stop = np.int64(places[i]), np.int64(places[i + 1])
    key = _key_at(places, numbers, i)
    is_short = stop - begin <= SHORT
    slot = recent_slot(recent, key)
    if is_short and recent[slot] == key:  # since it was chosen
        return False
    seen = 0
    for at in range(begin, stop):
        seen |= CODES[data[at]]
    word = read_word(known, lines, ordinary, ordinary_lines, kinds, key, data, begin, stop, start, end, seen, scratch)
    if word == STAYS and is_short:
        recent[slot] = key
    return word >= 0


@plain_njit
def _is_joined(data, start, end, words, places, numbers, i):
    """Say whether a word and the one before it, with a gap between them and on either side, are one."""
    known, lines, ordinary, ordinary_lines = words
    before, before_end = np.int64(places[i - 2]), np.int64(places[i - 1])
    begin, stop = np.int64(places[i]), np.int64(places[i + 1])
    is_apart = before == start or IS_GAP[data[before - 1]]
    if not (is_apart and IS_GAP[data[before_end]] and (stop == end or IS_GAP[data[stop]])):
        return False
    key, before_key = _key_at(places, numbers, i), _key_at(places, numbers, i - 2)
    return is_closed(known, lines, ordinary, ordinary_lines, data, before, before_end, before_key, begin, stop, key)
