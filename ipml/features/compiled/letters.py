"""Letters in UTF-8: which code point stands at a byte, and of what kind it is.

Halves of surrogate pairs stand in three bytes like other letters, as in `ipml.features.compiled.texts`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.machine_code import plain_njit

ALNUM, DECIMAL, SPACE = 1, 2, 4
BREAK = 10
"""Stands before and after every text: it is neither a letter nor a digit."""
_LAST = 0x40000  # code points from here on are of no kind


@lru_cache(maxsize=1)
def letter_kinds() -> NDArray[np.uint8]:
    r"""Return of what kinds each code point is: the sum of `ALNUM`, `DECIMAL` and `SPACE`, as `str.isalnum` has them.

    Examples
    --------
    >>> letter_kinds()[[ord(letter) for letter in "aж٣ -"]].tolist()
    [1, 1, 3, 4, 0]
    """
    letters: Any = np.arange(_LAST, dtype=np.uint32).view("<U1")
    kinds = np.char.isalnum(letters) * ALNUM + np.char.isdecimal(letters) * DECIMAL + np.char.isspace(letters) * SPACE
    return np.asarray(kinds, dtype=np.uint8)


@plain_njit
def size_of_letter(byte):
    """Return the number of bytes of the letter that begins with this one."""
    if byte < 0x80:
        return 1
    if byte < 0xE0:
        return 2
    return 3 if byte < 0xF0 else 4


@plain_njit
def letter_at(data, at):
    """Return the code point of the letter that begins at a byte."""
    first = np.int64(data[at])
    if first < 0x80:
        return first
    if first < 0xE0:
        return (first & 0x1F) << 6 | np.int64(data[at + 1] & 0x3F)
    if first < 0xF0:
        return (first & 0x0F) << 12 | np.int64(data[at + 1] & 0x3F) << 6 | np.int64(data[at + 2] & 0x3F)
    rest = np.int64(data[at + 1] & 0x3F) << 12 | np.int64(data[at + 2] & 0x3F) << 6 | np.int64(data[at + 3] & 0x3F)
    return (first & 0x07) << 18 | rest


@plain_njit
def letter_before(data, at, start):
    """Return the code point of the letter that ends before a byte of a text; a break where the text starts there."""
    if at <= start:
        return BREAK
    at -= 1
    while at > start and (data[at] & 0xC0) == 0x80:
        at -= 1
    return letter_at(data, at)


@plain_njit
def letter_after(data, at, end):
    """Return the code point of the letter at a byte of a text; a break where the text ends there."""
    return letter_at(data, at) if at < end else BREAK


@plain_njit
def is_kind(kinds, letter, kind):
    """Say whether a letter is of a kind."""
    return letter < kinds.size and (kinds[letter] & kind) != 0


@plain_njit
def is_word(kinds, letter):
    r"""Say whether a letter may stand in a word: `\w`."""
    return letter == 0x5F or is_kind(kinds, letter, ALNUM)
