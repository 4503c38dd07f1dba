"""A set of words in one open-addressed table, looked up by their letters as numbers.

A word is of the letters a to z and the signs * and #, which hide letters; others cannot be in the set. Each letter is a
digit of five bits, and a word the number with these digits: up to `SHORT` of them fit into 64 bits, where words of one
number are one word. The number of a longer word has another base and wraps around, so that such words are compared.
Since it is a sum over letters, the number of a word with a letter changed, added or left out follows in a few steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.table import (
    LONG,
    WORDS,
    find_next_slot,
    find_slot,
    first_slot,
    make_table,
    put_key,
    word_in,
)

SHORT = 12
"""Longer words are compared letter by letter."""

STAR = 27
SIGN = 32
"""This bit of a code says that it is of a sign, not of a letter."""

LETTERS_OF_SHORT = np.uint64((1 << 60) - 1)
LETTER_BITS = np.uint64(5)
CODE = np.uint64(31)
_SHORT_BASE = np.uint64(32)
_LONG_BASE = np.uint64(0x9E3779B97F4A7C15)
_ZERO = np.uint64(0)
LINE = 10
"""Stands after each word."""


def _number_letters() -> NDArray[np.uint8]:
    codes = np.zeros(256, dtype=np.uint8)
    codes[ord("a") : ord("z") + 1] = np.arange(1, 27)
    codes[[ord("*"), ord("#")]] = STAR | SIGN, (STAR + 1) | SIGN
    return codes


CODES = _number_letters()
"""The code of each byte that may be in a word, with `SIGN` where it is one; 0 of others."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Some words as compiled functions read them.

    A word is named by the place in `lines` at which it starts.

    Attributes
    ----------
    table : array of uint64
        One array, since compiled functions pass one faster than several. First, where its parts begin: slots of two
        numbers, a key and the word that has it; filters; other numbers.
    lines : array of bytes
        The words, one a line.

    Examples
    --------
    >>> words = Words.of(b"belt\\nbelt's\\n\\nre*lica")
    >>> ["belt" in words, "belt's" in words, "replica" in words]
    [True, False, False]
    """

    table: NDArray[np.uint64]
    lines: NDArray[np.uint8]

    @classmethod
    def of(cls, lines: bytes) -> Words:
        """Return the words of a text, one a line; lines that hold anything else are left out."""
        data = np.frombuffer(lines + b"\n", dtype=np.uint8).copy()  # what is read only would be compiled apart
        return cls(make_words(data), data)

    def __contains__(self, word: str) -> bool:
        return has_letters(word) and bool(has_word(self.table, self.lines, to_array(word)))


def to_array(word: str) -> NDArray[np.uint8]:
    """Return a word as compiled functions read it."""
    return np.frombuffer(bytearray(word.encode()), dtype=np.uint8)


def has_letters(word: str) -> bool:
    """Say whether a word has letters, and none that cannot be in a set of words."""
    return bool(word) and word.isascii() and bool(CODES[to_array(word)].all())


@compiled
def split_lines(lines):
    """Return where the words of a text, one a line, start and end."""
    n_lines = 0
    for at in range(lines.size):
        n_lines += lines[at] == LINE
    starts, ends = np.empty(n_lines, np.int64), np.empty(n_lines, np.int64)
    n = start = 0
    is_word = True
    for at in range(lines.size):
        if lines[at] == LINE:
            if is_word and at > start:
                starts[n], ends[n] = start, at
                n += 1
            start = at + 1
            is_word = True
        elif CODES[lines[at]] == 0:
            is_word = False
    return starts[:n], ends[:n]


@plain_njit
def base_for(n):
    """Return the base of the number of a word of so many letters."""
    return _SHORT_BASE if n <= SHORT else _LONG_BASE


@plain_njit
def key_of(number, n):
    """Return the key of a word of so many letters by its number."""
    return number if n <= SHORT else (number & LETTERS_OF_SHORT) | LONG


@plain_njit
def code_at(data, at):
    """Return the letter at a place as a digit."""
    return np.uint64(CODES[data[at]]) & CODE


@plain_njit
def add_letters(number, data, start, end, base):
    """Return the number of a word that goes on with these letters."""
    for at in range(start, end):
        number = number * base + code_at(data, at)
    return number


@plain_njit
def key_of_word(data, start, end):
    """Return the key of a word."""
    n = end - start
    return key_of(add_letters(_ZERO, data, start, end, base_for(n)), n)


@plain_njit
def is_same(one, start, other, place, n):
    """Say whether so many letters are the same, from a place in one text and in another."""
    for at in range(n):  # noqa: SIM110 -- numba compiles no `all` over a generator
        if one[start + at] != other[place + at]:
            return False
    return True


@plain_njit
def word_end(lines, word):
    """Return where a word ends."""
    while lines[word] != LINE:
        word += 1
    return word


@compiled
def make_words(lines):
    """Return a table of the words of a text, one a line."""
    starts, ends = split_lines(lines)
    table = make_table(starts.size, 0, 0, 0)
    put_words(table, lines, starts, ends)
    return table


@plain_njit
def put_words(table, lines, starts, ends):
    """Put words into a table that has room for them."""
    for i in range(starts.size):
        put_key(table, WORDS, key_of_word(lines, starts[i], ends[i]), starts[i])


@compiled
def has_word(table, lines, word):
    """Say whether a word is in a table."""
    end = np.int64(word.size)
    return find_pair(table, lines, word, end - end, end, end, end) >= 0


@plain_njit
def find_word(table, lines, key, data, start, end):
    """Return a word by its key if it is short (else the key is not used); -1 if it is not there."""
    if end - start > SHORT:
        return find_pair(table, lines, data, start, end, end, end)
    slot = find_slot(table, WORDS, first_slot(table, WORDS, key), key)
    return word_in(table, WORDS, slot) if slot >= 0 else np.int64(-1)


@plain_njit
def _is_pair(lines, word, data, start, first, other, second):
    if not is_same(lines, word, data, start, first) or not is_same(lines, word + first, data, other, second):
        return False
    return lines[word + first + second] == LINE


@plain_njit
def find_pair(table, lines, data, start, end, other, other_end):
    """Return the word that two pieces are together, however long; -1 if it is not there."""
    first, second = end - start, other_end - other
    n = first + second
    number = add_letters(_ZERO, data, start, end, base_for(n))
    key = key_of(add_letters(number, data, other, other_end, base_for(n)), n)
    slot = find_slot(table, WORDS, first_slot(table, WORDS, key), key)
    while slot >= 0:
        word = word_in(table, WORDS, slot)
        if n <= SHORT:
            return word
        if _is_pair(lines, word, data, start, first, other, second):
            return word
        slot = find_next_slot(table, WORDS, slot, key)
    return np.int64(-1)
