"""Which known word an unknown one stands for, compiled: what `ipml.features.dictionary.KnownWords` says.

Words begin alike wherever the first letter stays, so a key of `known_words.py` leads to one word only; where the first
letter is mistaken, the keys beside it are looked up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.known_words import (
    BARE,
    HIDDEN,
    PATTERN,
    SOUND,
    is_vowel,
    make_scratch,
    write_bare,
    write_sound,
)
from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.nearness import MOST_LETTERS, may_be_near
from ipml.features.compiled.table import (
    KEYS,
    LONG,
    LONGEST,
    MAY_BE_KEY,
    POWERS,
    find_next_slot,
    find_slot,
    first_slot,
    may_have,
    word_in,
)
from ipml.features.compiled.words import (
    CODE,
    CODES,
    LETTER_BITS,
    LINE,
    SHORT,
    SIGN,
    Words,
    add_letters,
    base_for,
    code_at,
    is_same,
    key_of,
    key_of_word,
    to_array,
    word_end,
)
from ipml.features.dictionary import BESIDE, LEAST_LETTERS

_ZERO = np.uint64(0)
_STAR_BYTE = ord("*")


def nearest(known: Words, word: str) -> str | None:
    """Return the known word that an unknown one most likely stands for; None if there is none."""
    data = to_array(word)
    if len(word) == 0:
        return None
    found = _find(known.table, known.lines, data)
    return known.lines[found:].tobytes().split(b"\n", 1)[0].decode() if found >= 0 else None


def _list_keys_beside() -> NDArray[np.uint8]:
    """Return the one or two letters whose keys are beside that of each byte, 0 for none."""
    beside = np.zeros((256, 2), dtype=np.uint8)
    for letter in {one for one, _ in BESIDE}:
        others = sorted(other for one, other in BESIDE if one == letter)
        beside[ord(letter), : len(others)] = [ord(other) for other in others]
    return beside


_KEYS_BESIDE = _list_keys_beside()


@plain_njit
def _powers(table, n):
    """Return where the powers are of the base for words of so many letters."""
    return np.int64(table[POWERS + (n > SHORT)])


@plain_njit
def _agrees(lines, word, data, start, end, head, word_from, data_from):
    """Say whether a long word is another one but for a slip: what comes before it, and what comes after."""
    if not is_same(lines, word, data, start, head):
        return False
    for at in range(head, word_from):
        if lines[word + at] == LINE:
            return False
    n_after = end - start - data_from
    if (
        not is_same(lines, word + word_from, data, start + data_from, n_after)
        or lines[word + word_from + n_after] != LINE
    ):
        return False
    is_swap = word_from == head + 2
    return not is_swap or (
        lines[word + head] == data[start + head + 1] and lines[word + head + 1] == data[start + head]
    )


@plain_njit
def _look_up(table, lines, key, data, start, end, head, word_from, data_from):
    """Return the word under a key; a long one only if it agrees with another but for a slip after so many letters."""
    if not may_have(table, MAY_BE_KEY, key):
        return np.int64(-1)
    slot = find_slot(table, KEYS, first_slot(table, KEYS, key), key)
    if slot < 0 or key < LONG:
        return word_in(table, KEYS, slot) if slot >= 0 else np.int64(-1)
    best = np.int64(-1)
    while slot >= 0:
        if _agrees(lines, word_in(table, KEYS, slot), data, start, end, head, word_from, data_from):
            best = max(best, word_in(table, KEYS, slot))
        slot = find_next_slot(table, KEYS, slot, key)
    return best


@plain_njit
def _one_changed(table, lines, data, start, end):
    """Return the best word with one letter of this one changed, the first only to that of a key beside; or itself."""
    n = end - start
    powers = _powers(table, n)
    whole = add_letters(_ZERO, data, start, end, base_for(n))
    at = start - start
    best = _look_up(table, lines, key_of(whole, n), data, start, end, at, at, at)
    for side in range(2):
        beside = _KEYS_BESIDE[data[start], side]
        if beside != 0:
            number = whole + ((np.uint64(CODES[beside]) & CODE) - code_at(data, start)) * table[powers + n - 1]
            best = max(best, _look_up(table, lines, key_of(number, n), data, start, end, at, at + 1, at + 1))
    for at in range(1, n):
        number = whole + (HIDDEN - code_at(data, start + at)) * table[powers + n - 1 - at]
        key = key_of(number, n) | PATTERN
        best = max(best, _look_up(table, lines, key, data, start, end, at, at + 1, at + 1))
    return best


@plain_njit
def _one_more(table, lines, data, start, end):
    """Return the best word with one letter more than this one, not before the first."""
    n = end - start
    powers = _powers(table, n + 1)
    whole = add_letters(_ZERO, data, start, end, base_for(n + 1))
    before = _ZERO
    after = whole
    best = np.int64(-1)
    for at in range(1, n + 1):
        letter = code_at(data, start + at - 1)
        before = before * table[powers + 1] + letter
        after -= letter * table[powers + n - at]
        number = before * table[powers + n - at + 1] + HIDDEN * table[powers + n - at] + after
        key = key_of(number, n + 1) | PATTERN
        best = max(best, _look_up(table, lines, key, data, start, end, at, at + 1, at))
    return best


@plain_njit
def _one_less(table, lines, data, start, end):
    """Return the best word with one letter less than this one, but the first."""
    n = end - start
    powers = _powers(table, n - 1)
    before = code_at(data, start)
    after = add_letters(_ZERO, data, start + 1, end, base_for(n - 1))
    best = np.int64(-1)
    for at in range(1, n):
        letter = code_at(data, start + at)
        after -= letter * table[powers + n - 1 - at]
        key = key_of(before * table[powers + n - 1 - at] + after, n - 1)
        best = max(best, _look_up(table, lines, key, data, start, end, at, at, at + 1))
        before = before * table[powers + 1] + letter
    return best


@plain_njit
def _begins_alike(one, other):
    return one == other or _KEYS_BESIDE[one, 0] == other or _KEYS_BESIDE[one, 1] == other


@plain_njit
def _one_swapped(table, lines, data, start, end):
    """Return the best word with two neighbours of this one swapped, the first two only if their keys are so, too."""
    n = end - start
    powers = _powers(table, n)
    whole = add_letters(_ZERO, data, start, end, base_for(n))
    best = np.int64(-1)
    for at in range(n - 1):
        if at == 0 and not _begins_alike(data[start], data[start + 1]):
            continue
        further = code_at(data, start + at + 1) - code_at(data, start + at)
        number = whole + further * (table[powers + n - 1 - at] - table[powers + n - 2 - at])
        best = max(best, _look_up(table, lines, key_of(number, n), data, start, end, at, at + 2, at + 2))
    return best


@plain_njit
def _one_slip_away(table, lines, data, start, end):
    n = end - start
    if n > np.int64(table[LONGEST]) + 1 or n < LEAST_LETTERS - 1:
        return np.int64(-1)
    best = np.int64(-1)
    if n < np.int64(table[LONGEST]):
        best = _one_more(table, lines, data, start, end)
    if n > LEAST_LETTERS:
        best = max(best, _one_less(table, lines, data, start, end))
    if n <= np.int64(table[LONGEST]):
        best = max(best, _one_swapped(table, lines, data, start, end))
        if n >= LEAST_LETTERS:
            best = max(best, _one_changed(table, lines, data, start, end))
    return best


@plain_njit
def _is_pattern_of(lines, word, data, start, end):
    """Say whether a word with hidden letters is a known one with one letter hidden."""
    if word_end(lines, word) - word != end - start:
        return False
    n_others = 0
    for at in range(end - start):
        is_hidden = CODES[data[start + at]] & SIGN != 0
        if lines[word + at] != (_STAR_BYTE if is_hidden else data[start + at]):
            n_others += 1 if is_hidden else 2
    return n_others <= 1


@plain_njit
def _of_pattern(table, lines, data, start, end):
    """Return the best word that one with hidden letters may be."""
    n = end - start
    if n > np.int64(table[LONGEST]):
        return np.int64(-1)
    number = _ZERO
    for at in range(start, end):
        letter = HIDDEN if CODES[data[at]] & SIGN != 0 else code_at(data, at)
        number = number * base_for(n) + letter
    key = key_of(number, n) | PATTERN
    if not may_have(table, MAY_BE_KEY, key):
        return np.int64(-1)
    best = np.int64(-1)
    slot = find_slot(table, KEYS, first_slot(table, KEYS, key), key)
    while slot >= 0:
        if n <= SHORT or _is_pattern_of(lines, word_in(table, KEYS, slot), data, start, end):
            best = max(best, word_in(table, KEYS, slot))
        slot = find_next_slot(table, KEYS, slot, key)
    return best


@plain_njit
def _of_written(table, lines, kind, written, n):
    """Return the best word that sounds so, or is so without its vowels."""
    key = key_of_word(written, n - n, n) | kind
    if not may_have(table, MAY_BE_KEY, key):
        return np.int64(-1)
    best = np.int64(-1)
    slot = find_slot(table, KEYS, first_slot(table, KEYS, key), key)
    while slot >= 0:
        if n <= SHORT or _is_written(lines, kind, word_in(table, KEYS, slot), written, n):
            best = max(best, word_in(table, KEYS, slot))
        slot = find_next_slot(table, KEYS, slot, key)
    return best


@plain_njit
def _is_written(lines, kind, word, written, n):
    """Say whether what is written first is the sound of a word, or the word without vowels; write that behind."""
    end = word_end(lines, word)
    if kind == SOUND:
        written_end = write_sound(lines, word, end, written, n)
    else:
        written_end = write_bare(lines, word, end, written, n)
    return written_end == 2 * n and is_same(written, n, written, n - n, n)


@plain_njit
def _beside(letter, side):
    """Return the letter whose key is beside that of another as a digit, 0 for none."""
    return np.uint64(CODES[_KEYS_BESIDE[letter, side]]) & CODE


@plain_njit
def _has_vowel_within(data, start, end):
    """Say whether a word has a vowel that is not its first letter."""
    for at in range(start + 1, end):  # noqa: SIM110 -- numba compiles no `any` over a generator
        if is_vowel(data[at]):
            return True
    return False


@plain_njit
def find_nearest(table, lines, data, start, end, scratch):
    """Return the known word that another most likely stands for; -1 if there is none."""
    n = end - start
    if n > 4 * np.int64(table[LONGEST]):
        return np.int64(-1)
    seen = 0
    number = _ZERO
    for at in range(start, end):
        seen |= CODES[data[at]]
        number = number << LETTER_BITS | code_at(data, at)
    if seen & SIGN:
        return _of_pattern(table, lines, data, start, end)
    best = np.int64(-1)
    if n > MOST_LETTERS or may_be_near(table, number, n, _beside(data[start], 0), _beside(data[start], 1)):
        best = _one_slip_away(table, lines, data, start, end)
    if best < 0:
        best = _of_written(table, lines, SOUND, scratch, write_sound(data, start, end, scratch, start - start))
    if best < 0 and not _has_vowel_within(data, start, end):
        best = _of_written(table, lines, BARE, scratch, write_bare(data, start, end, scratch, start - start))
    return best


@compiled
def _find(table, lines, word):
    return find_nearest(table, lines, word, word.size - word.size, word.size, make_scratch(table))
